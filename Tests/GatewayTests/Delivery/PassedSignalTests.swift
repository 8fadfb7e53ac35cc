import Testing

@testable import Gateway

@Suite("A signal that is passed on")
struct PassedSignalTests {
  @Test("is late 6 s after it was taken, and not if its gateway's clock is ahead")
  func late() {
    #expect(PassedSignal.isLate(1_000, now: 7_001))
    for now: UInt64 in [7_000, 1_000, 999, 0] { #expect(!PassedSignal.isLate(1_000, now: now)) }
  }
}
