import Testing

@testable import Redis

@Suite("What is held of a slot")
struct SlotHoldTests {
  typealias Hold = SlotHold<String>

  /// A command named after its place, as in `3a`, or `3b` for the second of the same request.
  static func unit(
    _ order: UInt64, _ place: Int = 0, key: String = "k", isRepeatable: Bool = false,
    target: Hold.Target = .owner
  ) -> Hold.Unit {
    var unit = Hold.Unit(
      request: "\(order)\(["a", "b", "c"][place])", order: order, commands: place..<place + 1,
      key: Array(key.utf8), isRepeatable: isRepeatable)
    unit.target = target
    return unit
  }

  private func names(_ units: some Sequence<Hold.Unit>) -> [String] { units.map(\.request) }

  private func hold(_ units: Hold.Unit...) -> Hold {
    var hold = Hold(.draining)
    for unit in units { hold.insert(unit) }
    return hold
  }

  @Test("stands in the order of submission, however it came")
  func order() {
    let units = [
      Self.unit(1), Self.unit(1, 1), Self.unit(2), Self.unit(3), Self.unit(3, 1), Self.unit(3, 2),
    ]
    for shift in units.indices {
      for stride in [1, 5] {
        var hold = Hold(.ready)
        for number in units.indices {
          hold.insert(units[(number * stride + shift) % units.count])
        }
        #expect(names(hold.units) == ["1a", "1b", "2a", "3a", "3b", "3c"])
      }
    }
  }

  @Test("goes out in rounds, each for one target and for what goes together")
  func rounds() {
    let other = RedisAddress(host: "other", port: 1)
    let third = RedisAddress(host: "third", port: 1)
    var hold = hold(
      Self.unit(1), Self.unit(2), Self.unit(3, target: .asking(other)),
      Self.unit(4, target: .asking(other)), Self.unit(5, target: .asking(third)), Self.unit(6),
      Self.unit(7))
    var rounds: [[String]] = []
    while true {
      let round = hold.takeRound { $1.order != 7 || $0.order == 7 }
      if round.isEmpty { break }
      #expect(Set(round.map { "\($0.target)" }).count == 1)
      rounds.append(names(round))
    }
    #expect(rounds == [["1a", "2a"], ["3a", "4a"], ["5a"], ["6a"], ["7a"]])
    #expect(hold.units.isEmpty)
    #expect(hold.takeAll().isEmpty)
  }

  @Test("is all given back, once")
  func takeAll() {
    var hold = hold(Self.unit(2), Self.unit(1))
    #expect(names(hold.takeAll()) == ["1a", "2a"])
    #expect(hold.takeAll().isEmpty)
  }

  private func overtaken(_ outcome: Hold.Outcome) -> [String]? {
    guard case .settled(let overtaken) = outcome else { return nil }
    return names(overtaken)
  }

  @Test("is overtaken by a later command of the same key only, unless it can be repeated")
  func overtaking() {
    var hold = hold(
      Self.unit(1, key: "a"), Self.unit(1, 1, key: "b"), Self.unit(2, key: "a", isRepeatable: true),
      Self.unit(3, key: "a"), Self.unit(5, key: "a"))
    #expect(overtaken(hold.executed(Self.unit(4, key: "a"))) == ["1a", "3a"])
    #expect(names(hold.units) == ["1b", "2a", "5a"])
    #expect(overtaken(hold.executed(Self.unit(4, 1, key: "a"))) == [])
    #expect(overtaken(hold.executed(Self.unit(6, key: "c"))) == [])
    #expect(names(hold.units) == ["1b", "2a", "5a"])
  }

  @Test("takes in what was executed too early and can be repeated")
  func repeatable() {
    var hold = hold(Self.unit(1), Self.unit(4))
    guard case .held = hold.executed(Self.unit(3, isRepeatable: true)) else {
      Issue.record("the answer stood, though a write before it is yet to come")
      return
    }
    #expect(names(hold.units) == ["1a", "3a", "4a"])
  }

  @Test("does not concern what came before all of it")
  func before() {
    var hold = hold(Self.unit(2, 1))
    #expect(overtaken(hold.executed(Self.unit(1))) == [])
    #expect(overtaken(hold.executed(Self.unit(2))) == [])
    #expect(overtaken(hold.executed(Self.unit(1, isRepeatable: true))) == [])
    #expect(names(hold.units) == ["2b"])
    var empty = Hold(.ready)
    #expect(overtaken(empty.executed(Self.unit(1, isRepeatable: true))) == [])
  }
}
