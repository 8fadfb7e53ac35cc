import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import BackendAPI

@Suite("A turn", .timeLimit(.minutes(20)))
struct TurnsTests {
  private let never = NIODeadline.distantFuture

  /// Work that is done in turns, and held up until it is let go.
  private actor Work {
    private(set) var begun: [Int] = []
    private var held: [CheckedContinuation<Void, Never>] = []

    func begin(_ number: Int, isHeld: Bool = false) async {
      self.begun.append(number)
      if isHeld { await withCheckedContinuation { self.held.append($0) } }
    }

    func letGo() {
      for continuation in self.held { continuation.resume() }
      self.held = []
    }
  }

  /// The refusal of a turn; nil if there was a turn.
  private func take(
    _ turns: Turns, until deadline: NIODeadline, _ body: () async -> Void
  ) async -> Turns.Refusal? {
    do throws(Turns.Refusal) {
      try await turns.take(until: deadline, body)
      return nil
    } catch { return error }
  }

  private func waitUntil(_ condition: () async -> Bool) async throws {
    while await !condition() { try await Task.sleep(for: .milliseconds(1)) }
  }

  @Test("is had in order, and refused where too many wait")
  func bound() async throws {
    let turns = Turns(1, waiting: 2)
    let work = Work()
    try await withThrowingTaskGroup(of: Turns.Refusal?.self) { tasks in
      tasks.addTask {
        await self.take(turns, until: self.never) { await work.begin(0, isHeld: true) }
      }
      try await self.waitUntil { await work.begun == [0] }
      for number in 1...2 {
        tasks.addTask { await self.take(turns, until: self.never) { await work.begin(number) } }
        try await self.waitUntil { turns.waitingCount == number }
      }
      #expect(await self.take(turns, until: self.never) { await work.begin(3) } == .full)
      await work.letGo()
      for try await refusal in tasks { #expect(refusal == nil) }
    }
    #expect(await work.begun == [0, 1, 2])
    // All turns are free again.
    #expect(await self.take(turns, until: self.never) { await work.begin(4) } == nil)
    #expect(await work.begun.last == 4)
  }

  @Test("that comes too late is not begun, and keeps nobody else from waiting")
  func deadline() async throws {
    let turns = Turns(1, waiting: 1)
    let work = Work()
    try await withThrowingTaskGroup(of: Turns.Refusal?.self) { tasks in
      tasks.addTask {
        await self.take(turns, until: self.never) { await work.begin(0, isHeld: true) }
      }
      try await self.waitUntil { await work.begun == [0] }
      let soon = NIODeadline.now() + .milliseconds(50)
      tasks.addTask { await self.take(turns, until: soon) { await work.begin(1) } }
      try await self.waitUntil { turns.waitingCount == 1 || NIODeadline.now() >= soon }
      try await self.waitUntil { NIODeadline.now() >= soon }
      // In the place of the one who is late.
      tasks.addTask { await self.take(turns, until: self.never) { await work.begin(2) } }
      #expect(try await tasks.next() == .late)
      await work.letGo()
      for try await refusal in tasks { #expect(refusal == nil) }
    }
    #expect(await work.begun == [0, 2])
    #expect(await self.take(turns, until: .now()) { await work.begin(3) } == .late)
    #expect(await work.begun == [0, 2])
  }

  @Test("is given to the next in time, past all who are late")
  func lateOnes() async throws {
    let turns = Turns(1, waiting: 3)
    let work = Work()
    try await withThrowingTaskGroup(of: Turns.Refusal?.self) { tasks in
      tasks.addTask {
        await self.take(turns, until: self.never) { await work.begin(0, isHeld: true) }
      }
      try await self.waitUntil { await work.begun == [0] }
      let soon = NIODeadline.now() + .milliseconds(500)
      for number in 1...3 {
        let deadline = number < 3 ? soon : self.never
        tasks.addTask { await self.take(turns, until: deadline) { await work.begin(number) } }
        // On a machine so busy that it is late by now, it is refused as late at once.
        try await self.waitUntil { turns.waitingCount == number || NIODeadline.now() >= soon }
      }
      try await self.waitUntil { NIODeadline.now() >= soon }
      await work.letGo()
      let refusals = try await tasks.reduce(into: []) { $0.append($1) }
      #expect(refusals.count { $0 == .late } == 2)
    }
    #expect(await work.begun == [0, 3])
  }
}
