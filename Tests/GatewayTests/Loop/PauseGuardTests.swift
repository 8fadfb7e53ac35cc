import Testing

@testable import Gateway

@Suite("A gateway that was paused")
struct PauseGuardTests {
  private func seconds(_ seconds: Double) -> UInt64 { UInt64(seconds * 1e9) }

  @Test("is not noticed while the clock ticks, even if it is slow")
  func ticking() {
    let pause = PauseGuard(now: self.seconds(10))
    for second in stride(from: 11.0, to: 100, by: 4.5) {
      #expect(!pause.isLate(self.seconds(second)))
      pause.tick(now: self.seconds(second))
      #expect(!pause.isLate(self.seconds(second)))
    }
  }

  @Test("refuses what it reads before the first tick, and shortly after it")
  func paused() {
    let pause = PauseGuard(now: self.seconds(10))
    #expect(pause.isLate(self.seconds(15.1)))
    pause.tick(now: self.seconds(70))
    #expect(pause.isLate(self.seconds(70)))
    pause.tick(now: self.seconds(71))
    #expect(pause.isLate(self.seconds(71.9)))
    pause.tick(now: self.seconds(72))
    #expect(!pause.isLate(self.seconds(72)))
  }

  @Test("may be paused again at once")
  func again() {
    let pause = PauseGuard(now: self.seconds(10))
    pause.tick(now: self.seconds(20))
    #expect(pause.isLate(self.seconds(26)))
    pause.tick(now: self.seconds(30))
    // Stopped again, too shortly to be noticed: the sockets were not read meanwhile.
    #expect(pause.isLate(self.seconds(34.9)))
    pause.tick(now: self.seconds(34.9))
    #expect(pause.isLate(self.seconds(35.8)))
    pause.tick(now: self.seconds(35.9))
    #expect(!pause.isLate(self.seconds(36)))
  }

  @Test("is not noticed when the clock seems to go back")
  func backwards() {
    let pause = PauseGuard(now: self.seconds(10))
    #expect(!pause.isLate(self.seconds(9)))
  }
}
