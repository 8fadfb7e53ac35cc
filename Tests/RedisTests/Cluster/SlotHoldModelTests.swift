import SeededRandom
import Testing

@testable import Redis

/// Commands of one slot, as a client sends them to a node that answers some of them with redirects.
///
/// Unlike a client it may send to several nodes at once: what holds here needs no one node's order.
private struct SlotModel {
  typealias Hold = SlotHold<Int>

  enum Fate: Equatable {
    case executed
    case givenUp
  }

  var random: SplitMix64
  private var hold: Hold?
  private var next: UInt64 = 0
  private var underWay: [Hold.Unit] = []
  private var round: [Hold.Unit] = []
  /// The fate of each command, by its number.
  private(set) var fates: [UInt64: Fate] = [:]
  /// The numbers of the commands that changed a key, in the order in which a node executed them.
  private(set) var log: [[UInt8]: [UInt64]] = [:]
  /// The results of reads: the number of the last write of their key.
  private(set) var reads: [(key: [UInt8], number: UInt64, seen: UInt64?)] = []
  private(set) var mistakes: [String] = []
  private(set) var overtaken = 0
  private(set) var repeated = 0

  init(seed: UInt64) { self.random = SplitMix64(seed: seed) }

  var submitted: UInt64 { self.next }
  var isIdle: Bool { self.underWay.isEmpty && self.round.isEmpty && self.hold == nil }

  /// Whatever may come next.
  mutating func step(maySubmit: Bool) {
    switch Int.random(in: 0..<4, using: &self.random) {
    case 0 where maySubmit: self.submit()
    case 1 where !self.underWay.isEmpty: self.answerOne()
    case 2: self.answerRound()
    default: self.drained()
    }
  }

  private mutating func submit() {
    self.next += 1
    let unit = Hold.Unit(
      request: 0, order: self.next, commands: 0..<1,
      key: [UInt8.random(in: 0..<3, using: &self.random)],
      isRepeatable: Int.random(in: 0..<3, using: &self.random) == 0)
    if self.hold != nil { self.hold?.insert(unit) } else { self.underWay.append(unit) }
  }

  /// The first one under way is answered. Of the same key none overtakes another on its way.
  private mutating func answerOne() {
    let place = Int.random(in: 0..<min(3, self.underWay.count), using: &self.random)
    let key = self.underWay[place].key
    let unit = self.underWay.remove(at: self.underWay.firstIndex { $0.key == key }!)
    self.answer(unit, isRedirect: Int.random(in: 0..<3, using: &self.random) == 0)
  }

  private mutating func answer(_ unit: Hold.Unit, isRedirect: Bool) {
    if isRedirect {
      if self.hold == nil { self.hold = Hold(.draining) }
      var unit = unit
      unit.attempts += 1
      self.hold?.insert(unit)
      return
    }
    self.execute(unit)
    switch self.hold?.executed(unit) {
    case .held:
      self.repeated += 1
      self.reads.removeLast()
    case .settled(let overtaken):
      self.overtaken += overtaken.count
      for other in overtaken { self.settle(other, .givenUp) }
      self.settle(unit, .executed)
    case nil:
      self.settle(unit, .executed)
    }
  }

  private mutating func execute(_ unit: Hold.Unit) {
    let key = unit.key!
    if unit.isRepeatable {
      self.reads.append((key, unit.order, self.log[key]?.last))
    } else {
      self.log[key, default: []].append(unit.order)
    }
  }

  private mutating func settle(_ unit: Hold.Unit, _ fate: Fate) {
    if let before = self.fates[unit.order] {
      self.mistakes.append("command \(unit.order) is \(before) and then \(fate)")
    }
    self.fates[unit.order] = fate
  }

  /// A round goes out once nothing else is under way, and is answered as a node answers: in order.
  private mutating func drained() {
    guard self.underWay.isEmpty, self.round.isEmpty, self.hold != nil else { return }
    let most = Int.random(in: 1...4, using: &self.random)
    let first = self.hold?.units.first?.order ?? 0
    self.round = self.hold?.takeRound { $1.order < first + UInt64(most) } ?? []
    if self.round.isEmpty { self.hold = nil }
  }

  private mutating func answerRound() {
    let round = self.round
    self.round = []
    let redirects = Int.random(in: 0..<3, using: &self.random)
    for unit in round {
      let isRedirect = Int.random(in: 0..<3, using: &self.random) < redirects
      self.answer(unit, isRedirect: isRedirect && unit.attempts < 5)
    }
  }
}

@Suite("Whatever is redirected and executed in whatever order, of the commands of a slot")
struct SlotHoldModelTests {
  @Test("writes keep their order key by key, and none is lost or executed twice")
  func model() async {
    var (overtaken, repeated, givenUp) = (0, 0, 0)
    for seed in 0..<2_000 as Range<UInt64> {
      if seed % 50 == 0 { await Task.yield() }
      var model = SlotModel(seed: seed)
      for _ in 0..<120 { model.step(maySubmit: true) }
      while !model.isIdle { model.step(maySubmit: false) }
      #expect(model.mistakes == [], "seed \(seed)")
      #expect(Set(model.fates.keys) == Set(1..<model.submitted + 1), "seed \(seed)")
      for numbers in model.log.values {
        #expect(numbers == Array(Set(numbers)).sorted(), "seed \(seed)")
        for number in numbers { #expect(model.fates[number] == .executed, "seed \(seed)") }
      }
      for read in model.reads {
        // Every write before it that was executed at all.
        let last = model.log[read.key]?.last { $0 < read.number }
        #expect((read.seen ?? 0) >= (last ?? 0), "seed \(seed): read \(read.number)")
      }
      overtaken += model.overtaken
      repeated += model.repeated
      givenUp += model.fates.values.count { $0 == .givenUp }
    }
    // It came to all of it.
    #expect(overtaken > 500 && repeated > 500)
    #expect(givenUp == overtaken)
  }
}
