import ConnectProtocol
import ConnectTestStand
import SeededRandom
import Testing

@testable import Gateway
@testable import MessageBus

/// A client that acks, positions on their way, a loop that stores once a second, a Redis that answers
/// late or fails, and between them the machine. What happens next is random; what Redis is told must
/// fit.
private struct Model {
  /// Violations by the machine.
  private(set) var complaints: [String] = []
  private var machine = RegistrationStateMachine(since: nil)
  private var random: SplitMix64
  private var now: Double = 1_000_000
  private let initial: Offset
  private var acked: Offset
  /// Acks whose positions are being published, or could not be.
  private var positionsUnderWay: [Offset] = []
  private var positionsFailed: [Offset] = []
  private var isOpened = false
  private var isOver = false
  private var isErased = false
  private var isQueued = false
  private var mayHaveFailed = false
  private var storesUnderWay: [RegistrationStateMachine.Store] = []
  private var redis: Offset
  private var removals = 0

  init(seed: UInt64) {
    self.random = SplitMix64(seed: seed)
    self.initial = at(UInt64.random(in: 1...5, using: &self.random))
    self.acked = self.initial
    self.redis = self.initial
  }

  private var safe: Offset {
    let missing = (self.positionsUnderWay + self.positionsFailed).min()
    return missing.map { at($0.milliseconds - 1) } ?? self.acked
  }

  private mutating func check(_ isRight: Bool, _ complaint: String) {
    if !isRight { self.complaints.append(complaint) }
  }

  private mutating func chance(_ percent: Int) -> Bool {
    Int.random(in: 0..<100, using: &self.random) < percent
  }

  mutating func step() {
    switch Int.random(in: 0..<100, using: &self.random) {
    case 0..<10: self.open()
    case 10..<40: self.ack()
    case 40..<65: self.answerPosition()
    case 65..<80: self.store()
    case 80..<95: self.answerStore(fails: self.chance(20))
    case 95..<98:
      self.now += 50_000
      if self.isOpened, !self.isOver { self.carryOut(self.machine.periodPassed(now: self.now)) }
    case 98: if self.chance(10) { self.end() }
    default: if self.chance(10) { self.erase() }
    }
    let hope = self.storesUnderWay.last?.offset ?? self.redis
    if self.isOpened, !self.isOver, !self.isErased {
      self.check(self.isQueued || self.safe <= hope, "an ack waits for nothing")
    }
    let isSettled = self.isOver && self.positionsUnderWay.isEmpty
    self.check(self.removals == (isSettled ? 1 : 0), "\(self.removals) removals")
  }

  /// Nothing fails any more.
  mutating func settle() {
    while !self.positionsUnderWay.isEmpty { self.answerPosition() }
    while self.isQueued || !self.storesUnderWay.isEmpty {
      self.store()
      self.answerStore(fails: false)
    }
    // A last store that failed is not made up for.
    guard self.isOpened, !self.isErased, !(self.isOver && self.mayHaveFailed) else { return }
    self.check(self.redis == max(self.safe, self.initial), "Redis has \(self.redis)")
  }

  private mutating func carryOut(_ actions: RegistrationStateMachine.Actions) {
    if actions.contains(.queueStore) {
      self.check(!self.isQueued, "queued twice")
      self.isQueued = true
    }
    if actions.contains(.removeNow) {
      self.check(self.isOver || self.isErased, "removed without need")
      self.check(self.positionsUnderWay.isEmpty, "removed with positions under way")
    }
    guard !actions.isDisjoint(with: [.hurryStore, .remove]) else { return }
    self.check(self.isOver, "hurried without need")
    self.store()
    if actions.contains(.remove) { self.removals += 1 }
  }

  private mutating func open() {
    guard !self.isOpened, !self.isOver else { return }
    self.isOpened = true
    let position = Cursors.Position(
      acked: self.initial, removed: nil, seenSeconds: UInt64(self.now), hasDisplaced: false)
    let start = self.machine.start(at: position, below: at(1_000_000))
    self.carryOut(self.machine.opened(at: start, now: self.now))
  }

  private mutating func ack() {
    guard self.isOpened, !self.isOver else { return }
    self.acked = at(self.acked.milliseconds + UInt64.random(in: 1...3, using: &self.random))
    if self.chance(40) { self.positionsUnderWay.append(self.acked) }
    self.moved()
  }

  private mutating func answerPosition() {
    guard !self.positionsUnderWay.isEmpty else { return }
    let index = Int.random(in: self.positionsUnderWay.indices, using: &self.random)
    let position = self.positionsUnderWay.remove(at: index)
    if self.chance(10) {
      self.positionsFailed.append(position)
    } else if !self.isOver {
      self.positionsUnderWay += self.positionsFailed
      self.positionsFailed = []
    }
    self.moved()
  }

  private mutating func moved() {
    self.carryOut(self.machine.moved(to: self.safe, underWay: self.positionsUnderWay.count))
  }

  private mutating func store() {
    guard self.isQueued else { return }
    self.isQueued = false
    guard let store = self.machine.store(safe: self.safe, now: self.now) else { return }
    self.check(self.isOpened, "stored before it was read")
    self.check(!self.isErased, "stored of an erased user")
    self.check(self.removals == 0, "stored behind the removal")
    self.check(store.offset == max(self.safe, self.initial), "stored \(store.offset)")
    self.storesUnderWay.append(store)
    if !self.isOver { self.mayHaveFailed = false }
  }

  private mutating func answerStore(fails: Bool) {
    guard !self.storesUnderWay.isEmpty else { return }
    let store = self.storesUnderWay.removeFirst()
    if !fails || self.chance(30) { self.redis = store.offset }
    guard fails else { return }
    self.mayHaveFailed = true
    self.carryOut(self.machine.storeFailed(store))
  }

  private mutating func end() {
    guard !self.isOver else { return }
    self.isOver = true
    self.carryOut(self.machine.closed(underWay: self.positionsUnderWay.count))
    if !self.isOpened { self.carryOut(self.machine.answered()) }
  }

  private mutating func erase() {
    self.isErased = true
    self.carryOut(self.machine.erased(underWay: self.positionsUnderWay.count))
  }
}

@Suite("The cursor and the session in Redis, whatever fails, comes late or ends")
struct RegistrationModelTests {
  @Test("follow the acks whose positions are there, and end with the connection, in that order")
  func model() async {
    for seed in 0..<1_000 as Range<UInt64> {
      if seed % 50 == 0 { await Task.yield() }
      var model = Model(seed: seed)
      for _ in 0..<300 { model.step() }
      model.settle()
      let complaints = model.complaints
      #expect(complaints.isEmpty, "seed \(seed)")
      if !complaints.isEmpty { return }
    }
  }
}
