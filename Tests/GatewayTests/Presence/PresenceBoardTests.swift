import ConnectProtocol
import SeededRandom
import Testing

@testable import Gateway

private typealias Board = PresenceBoard<Int>
private let owner = UserName("owner")!
private let online = Board.Status(online: true)

private func offline(_ lastSeen: UInt64? = nil) -> Board.Status {
  Board.Status(online: false, lastSeen: lastSeen)
}

private func user(_ name: String) -> UserName { UserName(name)! }

private func statuses(_ names: String, _ status: Board.Status = offline()) -> Board.Statuses {
  Dictionary(uniqueKeysWithValues: names.map { (user(String($0)), status) })
}

@Suite("The board of watched users")
struct PresenceBoardTests {
  @Test("tells each watcher of a user a change once, and nobody what has not changed")
  func once() {
    var board = Board(maximum: 10, maximumOfOwner: 10, turns: 2)
    #expect(board.watch(statuses("ab"), by: 1, of: owner) == nil)
    #expect(board.watch(statuses("bc"), by: 2, of: owner) == nil)
    #expect(board.looked(statuses("abc")) == [:])
    #expect(
      board.looked(statuses("b", online))
        == [1: statuses("b", online), 2: statuses("b", online)])
    #expect(board.looked(statuses("b", online)) == [:])
    #expect(
      board.looked(statuses("ab", offline(7)))
        == [1: statuses("ab", offline(7)), 2: statuses("b", offline(7))])
    // Whom nobody watches nobody is told of.
    #expect(board.looked(statuses("x", online)) == [:])
    #expect(board.status(of: user("x")) == nil)
    #expect(board.status(of: user("b")) == offline(7))
  }

  @Test("has what a connection watches last, and nothing of it when it ends")
  func replaced() {
    var board = Board(maximum: 10, maximumOfOwner: 10, turns: 2)
    #expect(board.watch(statuses("ab"), by: 1, of: owner) == nil)
    #expect(board.watch(statuses("b"), by: 2, of: owner) == nil)
    #expect(board.watch(statuses("bc"), by: 1, of: owner) == nil)
    #expect(board.count == 2)
    #expect(board.looked(statuses("a", online)) == [:])
    #expect(board.looked(statuses("c", online)) == [1: statuses("c", online)])
    board.unwatch(1)
    board.unwatch(1)
    #expect(board.count == 1)
    #expect(board.looked(statuses("bc", offline(1))) == [2: statuses("b", offline(1))])
    #expect(board.watch([:], by: 2, of: owner) == nil)
    #expect(board.count == 0)
    #expect(board.watcherCount == 0)
    let due = board.turn() + board.turn()
    #expect(due == [])
  }

  @Test("takes no more users than its limit, and a watch that is too much leaves the one before")
  func limit() {
    var board = Board(maximum: 3, maximumOfOwner: 10, turns: 2)
    #expect(board.watch(statuses("ab"), by: 1, of: owner) == nil)
    #expect(board.watch(statuses("abc"), by: 2, of: owner) == nil)
    #expect(board.watch(statuses("d"), by: 3, of: owner) == .board)
    #expect(board.watch(statuses("abc"), by: 3, of: owner) == nil)
    // Others watch what it would leave.
    #expect(board.watch(statuses("d"), by: 1, of: owner) == .board)
    #expect(board.looked(statuses("a", online)).keys.sorted() == [1, 2, 3])
    board.unwatch(3)
    // Only `c` becomes free.
    #expect(board.watch(statuses("de"), by: 2, of: owner) == .board)
    #expect(board.watch(statuses("cd"), by: 2, of: owner) == .board)
    #expect(board.watch(statuses("d"), by: 2, of: owner) == nil)
    #expect(board.count == 3)
    #expect(board.looked(statuses("ac", offline(4))) == [1: statuses("a", offline(4))])
  }

  @Test("takes no more users than one user's limit of all connections of that user together")
  func ownersLimit() {
    var board = Board(maximum: 100, maximumOfOwner: 4, turns: 2)
    let other = user("other")
    #expect(board.watch(statuses("abc"), by: 1, of: owner) == nil)
    // Whom two of them watch counts once.
    #expect(board.watch(statuses("abcd"), by: 2, of: owner) == nil)
    #expect(board.watch(statuses("e"), by: 3, of: owner) == .owner)
    #expect(board.watch(statuses("bcde"), by: 2, of: owner) == .owner)
    #expect(board.looked(statuses("e", online)) == [:])
    #expect(board.watch(statuses("abcde"), by: 1, of: owner) == .owner)
    #expect(board.watch(statuses("efgh"), by: 4, of: other) == nil)
    #expect(board.watch(statuses("e"), by: 2, of: owner) == nil)
    #expect(board.watch(statuses("f"), by: 3, of: owner) == .owner)
    board.unwatch(1)
    #expect(board.watch(statuses("fgh"), by: 3, of: owner) == nil)
    #expect(board.watch([:], by: 2, of: owner) == nil)
    #expect(board.watch(statuses("a"), by: 1, of: owner) == nil)
    #expect(board.watch(statuses("ab"), by: 1, of: owner) == .owner)
    board.unwatch(3)
    #expect(board.watch(statuses("abcd"), by: 1, of: owner) == nil)
  }

  @Test("has every user looked at once in a period, as many in each turn as in any other")
  func turns() {
    var board = Board(maximum: 20_000, maximumOfOwner: 20_000, turns: 60)
    for watcher in 0..<220 {
      // The last twenty watch what others do.
      let first = watcher % 200 * 100
      let names = (first..<first + 100).map { (user("u\($0)"), offline()) }
      #expect(board.watch(Dictionary(uniqueKeysWithValues: names), by: watcher, of: owner) == nil)
    }
    #expect(board.count == 20_000)
    for _ in 0..<2 {
      let period = (0..<60).map { _ in board.turn() }
      #expect(period.allSatisfy { (333...334).contains($0.count) })
      #expect(Set(period.joined()).count == 20_000)
    }
    // Who watches and stops in step with the turns puts no more into one of them.
    for watcher in 0..<200 where watcher % 2 == 0 { board.unwatch(watcher) }
    for number in 0..<100 {
      #expect(board.watch([user("v\(number)"): offline()], by: 1_000 + number, of: owner) == nil)
      _ = board.turn()
    }
    let period = (0..<60).map { _ in board.turn().count }
    #expect(period.max()! - period.min()! <= 2)
  }

  @Test("looks at a user who is new to it last")
  func newest() {
    var board = Board(maximum: 10, maximumOfOwner: 10, turns: 4)
    _ = board.turn()
    #expect(board.watch(statuses("a"), by: 1, of: owner) == nil)
    let counts = (0..<4).map { _ in board.turn().count }
    #expect(counts == [0, 0, 0, 1])
  }

  @Test("agrees with a plain model, whatever is done")
  func model() {
    var random = SplitMix64(seed: 16)
    for _ in 0..<200 {
      var board = Board(maximum: 12, maximumOfOwner: 12, turns: 3)
      var told: [Int: Board.Statuses] = [:]
      var truth: Board.Statuses = [:]
      for name in "abcdefghijklmnop" { truth[user(String(name))] = offline() }
      for _ in 0..<100 {
        let some = truth.keys.filter { _ in Bool.random(using: &random) }.prefix(6)
        let watcher = Int.random(in: 0..<4, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0:
          board.unwatch(watcher)
          told[watcher] = nil
        case 1:
          for user in some {
            truth[user] = Bool.random(using: &random) ? online : offline(.random(in: 0..<2))
          }
        default:
          let seen = truth.filter { some.contains($0.key) }
          for (watcher, changes) in board.looked(seen) {
            for (user, status) in changes {
              let before = told[watcher]?.updateValue(status, forKey: user)
              #expect(before != nil && before != status)
            }
          }
          let others = told.filter { $0.key != watcher }.values.flatMap(\.keys)
          let fits = Set(others + some).count <= 12
          #expect(board.watch(seen, by: watcher, of: owner) == (fits ? nil : .board))
          if fits { told[watcher] = seen.isEmpty ? nil : seen }
        }
        #expect(board.count == Set(told.values.flatMap(\.keys)).count)
        #expect(board.watcherCount == told.count)
        for statuses in told.values {
          for (user, status) in statuses { #expect(board.status(of: user) == status) }
        }
      }
      let period = (0..<3).flatMap { _ in board.turn() }
      #expect(period.count == board.count)
      #expect(Set(period) == Set(told.values.flatMap(\.keys)))
    }
  }
}
