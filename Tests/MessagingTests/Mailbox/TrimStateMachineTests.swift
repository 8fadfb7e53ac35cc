import ConnectProtocol
import Testing

@testable import Messaging

@Suite("When mailboxes are trimmed, decided")
struct TrimStateMachineTests {
  private typealias Phase = TrimStateMachine.Phase

  /// A change from one phase to another.
  private struct Step: Hashable {
    let from: Phase
    let to: Phase
  }

  private enum Event: CaseIterable {
    case insert
    case batchBegan
    case batchEnded
    case timerFired
    case trimEnded
    case stop
  }

  /// A machine and what a writer would have under way for it.
  private struct World {
    var machine = TrimStateMachine()
    var isStoring = false
    var hasTimer = false
    var isTrimming = false
    /// The timer has fired, and nothing was trimmed since.
    var hasFired = false
    var isStopped = false
    var waiting: [UserName] = []
    var inserted = 0

    func mayHappen(_ event: Event) -> Bool {
      switch event {
      case .insert: self.isStoring || self.isTrimming
      case .batchBegan: !self.isStoring
      case .batchEnded: self.isStoring
      case .timerFired: self.hasTimer
      case .trimEnded: self.isTrimming
      case .stop: true
      }
    }

    mutating func happen(_ event: Event) {
      switch event {
      case .insert: self.insert()
      case .batchBegan:
        self.isStoring = true
        self.machine.batchBegan()
      case .batchEnded:
        self.isStoring = false
        self.carryOut(self.machine.batchEnded())
      case .timerFired:
        self.hasTimer = false
        self.hasFired = true
        self.carryOut(self.machine.timerFired())
      case .trimEnded:
        self.isTrimming = false
        self.carryOut(self.machine.trimEnded())
      case .stop:
        self.machine.stop()
        self.isStopped = true
        self.hasTimer = false
        self.hasFired = false
        self.waiting = []
      }
      self.check()
    }

    private mutating func insert() {
      // Every other one is queued already, or was before.
      let user = UserName("u\(self.inserted / 2)")!
      self.inserted += 1
      #expect(self.machine.insert(user) == !self.isStopped)
      if !self.isStopped, !self.waiting.contains(user) { self.waiting.append(user) }
    }

    private mutating func carryOut(_ action: TrimStateMachine.Action?) {
      if action != nil {
        #expect(!self.isStopped && !self.hasTimer && !self.isTrimming, "one thing at a time")
      }
      switch action {
      case .schedule:
        self.hasTimer = true
      case .trim(let users):
        #expect(!self.isStoring, "never during a batch")
        #expect(self.hasFired, "not before its time")
        #expect(!users.isEmpty)
        #expect(users == Array(self.waiting.prefix(MessagingLimits.mailboxesPerTrim)))
        self.waiting.removeFirst(users.count)
        self.isTrimming = true
        self.hasFired = false
      case nil:
        break
      }
    }

    private func check() {
      #expect(self.machine.queue.isEmpty == self.waiting.isEmpty)
      #expect(!self.hasFired || self.isStoring, "what is due waits for nothing but a batch")
      if !self.isStoring, !self.waiting.isEmpty {
        #expect(self.hasTimer || self.isTrimming, "what waits has its turn")
      }
      let phase: Phase =
        if self.isStopped {
          .stopped
        } else if self.hasTimer {
          .scheduled
        } else if self.hasFired {
          .due
        } else if self.isTrimming {
          .underWay
        } else {
          .idle
        }
      #expect(self.machine.phase == phase)
    }
  }

  private func explore(_ world: World, depth: Int, _ steps: inout Set<Step>) {
    guard depth > 0 else { return }
    for event in Event.allCases where world.mayHappen(event) {
      var next = world
      next.happen(event)
      steps.insert(Step(from: world.machine.phase, to: next.machine.phase))
      self.explore(next, depth: depth - 1, &steps)
    }
  }

  @Test("lets each mailbox have its turn, between batches, one look at a time, until it is stopped")
  func everySequence() {
    var steps: Set<Step> = []
    self.explore(World(), depth: 9, &steps)
    let changes = steps.filter { $0.from != $0.to }
    #expect(
      changes == [
        Step(from: .idle, to: .scheduled), Step(from: .idle, to: .stopped),
        Step(from: .scheduled, to: .underWay), Step(from: .scheduled, to: .due),
        Step(from: .scheduled, to: .stopped), Step(from: .due, to: .underWay),
        Step(from: .due, to: .stopped), Step(from: .underWay, to: .scheduled),
        Step(from: .underWay, to: .idle), Step(from: .underWay, to: .stopped),
      ])
  }

  @Test("takes few at a time, and goes on until none is left")
  func portions() {
    var world = World()
    world.happen(.batchBegan)
    for _ in 0..<4 * MessagingLimits.mailboxesPerTrim + 1 { world.happen(.insert) }
    world.happen(.batchEnded)
    for left in [MessagingLimits.mailboxesPerTrim + 1, 1, 0] {
      world.happen(.timerFired)
      #expect(world.waiting.count == left)
      world.happen(.trimEnded)
    }
    #expect(world.machine.phase == .idle)
  }

  @Test("ignores a timer that fires when none runs")
  func lateTimer() {
    var machine = TrimStateMachine()
    #expect(machine.timerFired() == nil)
    #expect(machine.trimEnded() == nil)
    #expect(machine.phase == .idle)
    machine.stop()
    #expect(machine.timerFired() == nil)
    #expect(machine.phase == .stopped)
  }
}
