import NIOCore
import Testing

@testable import Gateway

@Suite("The clock of a loop")
struct ConnectionClockTests {
  /// How often each of some connections is visited in a period, by its place in the list.
  private static func visits(
    _ clock: ConnectionClock, to connections: [ConnectionHandler],
    _ visit: (ConnectionHandler) -> Void = { _ in }
  ) -> [Int] {
    var visits = Array(repeating: 0, count: connections.count)
    clock.tick(ConnectionClock.bucketsPerSecond) { connection in
      visits[connections.firstIndex { $0 === connection }!] += 1
      visit(connection)
    }
    return visits
  }

  @Test("visits each connection once in a period, whichever others have gone")
  func removal() async throws {
    // Of ten buckets: the first of one, one within, the last, two, and all; see ``ConnectionClock/add(_:)``.
    let gone: Set<Int> = [0, 21, 42, 3, 23, 4, 14, 24, 34, 44]
    try await TestLoop.with { loop in
      let (count, periods) = try await loop.eventLoop.submit {
        let clock = ConnectionClock(periodSeconds: 1)
        let connections = (0..<45).map { loop.connection("clock\($0)") }
        for connection in connections { clock.add(connection) }
        for index in gone {
          clock.remove(connections[index])
          clock.remove(connections[index])
        }
        return (clock.count, (0..<3).map { _ in Self.visits(clock, to: connections) })
      }.get()
      #expect(count == 35)
      for visits in periods {
        #expect(visits == (0..<45).map { gone.contains($0) ? 0 : 1 })
      }
    }
  }

  @Test("visits the others all the same when a visit has one removed")
  func removalWithin() async throws {
    try await TestLoop.with { loop in
      let (first, second, count) = try await loop.eventLoop.submit {
        let clock = ConnectionClock(periodSeconds: 1)
        let connections = (0..<35).map { loop.connection("clock\($0)") }
        for connection in connections { clock.add(connection) }
        // Those of even places go when they are visited.
        let first = Self.visits(clock, to: connections) { connection in
          if connections.firstIndex(where: { $0 === connection })! % 2 == 0 {
            clock.remove(connection)
          }
        }
        return (first, Self.visits(clock, to: connections), clock.count)
      }.get()
      #expect(first == Array(repeating: 1, count: 35))
      #expect(second == (0..<35).map { $0 % 2 })
      #expect(count == 17)
    }
  }

  @Test("takes a connection again that it has given up, and visits it once")
  func again() async throws {
    try await TestLoop.with { loop in
      let visits = try await loop.eventLoop.submit {
        let clock = ConnectionClock(periodSeconds: 1)
        let connections = (0..<12).map { loop.connection("clock\($0)") }
        for connection in connections { clock.add(connection) }
        clock.remove(connections[0])
        clock.add(connections[0])
        return Self.visits(clock, to: connections)
      }.get()
      #expect(visits == Array(repeating: 1, count: 12))
    }
  }

  @Test("has its turns at their times, however late each of them comes")
  func late() {
    let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
    var turn = start
    for buckets in [1, 1, 2, 6, 10] {
      turn = ConnectionClock.turn(of: buckets, after: turn, now: turn + .milliseconds(50))
    }
    #expect(turn - start == .seconds(2))
    let now = turn + .seconds(5)
    #expect(
      ConnectionClock.turn(of: 3, after: turn, now: now) == now, "one turn for a long pause")
  }

  @Test("has ten turns a second where many are connected, and one where few are")
  func turns() async throws {
    try await TestLoop.with { loop in
      let turns = try await loop.eventLoop.submit {
        #expect(ConnectionClock(periodSeconds: 1).bucketsPerTurn == 1)
        let clock = ConnectionClock(periodSeconds: 25)
        return [0, 1, 1_600, 3_200, 8_100, 16_000].map { count in
          while clock.count < count { clock.add(loop.connection("clock\(clock.count)")) }
          return clock.bucketsPerTurn
        }
      }.get()
      #expect(turns == [10, 10, 10, 5, 2, 1])
    }
  }
}
