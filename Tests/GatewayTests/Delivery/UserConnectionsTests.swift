import ConnectProtocol
import Testing

@testable import Gateway

@Suite("The connections of a user")
struct UserConnectionsTests {
  /// What ``UserConnections`` has, as places in a list of connections.
  private struct Look: Equatable, Sendable {
    var all: [Int]
    var isOne: Bool

    init(_ all: [Int], isOne: Bool = false) {
      self.all = all
      self.isOne = isOne
    }

    init?(_ connections: UserConnections?, among list: [ConnectionReference]) {
      guard let connections else { return nil }
      self.all = connections.all.map { found in
        list.firstIndex { $0.identity == found.identity }!
      }
      self.isOne = if case .one = connections { true } else { false }
      precondition(connections.count == self.all.count)
    }
  }

  @Test("are kept in their order, one without an array, however they come and go")
  func comingAndGoing() async throws {
    try await TestLoop.with { loop in
      let looks = try await loop.eventLoop.submit { () -> [Look?] in
        let list = (0..<3).map { _ in ConnectionReference(loop.connection("several")) }
        let foreign = ObjectIdentifier(loop)
        var connections = UserConnections.one(list[0])
        var looks = [Look(connections, among: list)]
        looks.append(Look(connections.removing(foreign), among: list))
        connections.append(list[1])
        connections.append(list[2])
        looks.append(Look(connections, among: list))
        looks.append(Look(connections.removing(foreign), among: list))
        let without = connections.removing(list[1].identity)
        looks.append(Look(without, among: list))
        let last = without?.removing(list[0].identity)
        looks.append(Look(last, among: list))
        looks.append(Look(last?.removing(list[2].identity), among: list))
        return looks
      }.get()
      #expect(
        looks == [
          Look([0], isOne: true), Look([0], isOne: true), Look([0, 1, 2]), Look([0, 1, 2]),
          Look([0, 2]), Look([2], isOne: true), nil,
        ])
    }
  }

  @Test("name the newest of a device, which the next one of that device replaces")
  func newest() async throws {
    try await TestLoop.with { loop in
      let (replaced, counts) = try await loop.eventLoop.submit { () -> ([Int?], [Int]) in
        let directory = ConnectionDirectory()
        let list = ["a", "b", "a", "a", "b"].map { loop.connection("several", device: $0) }
        let replaced = list.map { connection in
          directory.add(connection).map { older in list.firstIndex { $0 === older.value }! }
        }
        var counts = [directory.count]
        for index in [2, 2, 0, 1, 3, 4] {
          directory.remove(list[index])
          counts.append(directory.count)
        }
        counts.append(directory.connections(of: [list[0].user]).compactMap { $0 }.count)
        return (replaced, counts)
      }.get()
      #expect(replaced == [nil, nil, 0, 2, 1])
      #expect(counts == [5, 4, 4, 3, 2, 1, 0, 0])
    }
  }
}
