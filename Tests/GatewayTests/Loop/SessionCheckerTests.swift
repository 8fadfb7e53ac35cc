import BusTestSupport
import ConnectProtocol
import ConnectTestStand
import MessageBus
import NIOCore
import Redis
import TestSupport
import Testing

@testable import Gateway

@Suite("The check of sessions")
struct SessionCheckerTests {
  private typealias Bound = NIOLoopBound<ConnectionHandler>

  /// Runs a test with a loop whose answers are held.
  private func withHeldAnswers(
    _ body: (GatewayLoop, PartwiseClient) async throws -> Void
  ) async throws {
    try await TestLoop.with({ PartwiseClient($0) }) { loop in
      try await body(loop, loop.client as! PartwiseClient)
    }
  }

  private func eventuallyHeld(_ count: Int, by client: PartwiseClient) async throws {
    try await eventually("Redis has answered \(count) commands") {
      try await client.eventLoop.submit { client.heldCount == count }.get()
    }
  }

  /// What Redis has of a user, behind all that the loop has submitted.
  private func stored(
    _ user: String, by loop: GatewayLoop
  ) async throws -> (session: Session?, cursor: String?) {
    let name = UserName(user)!
    var batch = RedisBatch()
    let sessions = SessionRegistry.sessions(loop.configuration.keys.session(name), to: &batch)
    let cursor = batch.value(of: "default", in: loop.configuration.keys.cursor(name)) {
      cursor throws(RedisError) in try cursor.string()
    }
    let replies = await loop.client.execute(batch)
    return (try replies[sessions].first { $0.device == "default" }, try replies[cursor])
  }

  // MARK: What is entered

  @Test("enters a session that is missing and a device that is unknown", arguments: [false, true])
  func enters(isLost: Bool) async throws {
    try await TestLoop.with { loop in
      let user = "checked.entered.\(isLost)"
      let connection = try await loop.eventLoop.submit {
        let connection = loop.openConnection(user)
        if isLost { connection.registration.lost() }
        connection.registerAgain()
        return Bound(connection, eventLoop: loop.eventLoop)
      }.get()
      // Without a loss it is looked at first, and then entered.
      try await eventually("the session is entered") {
        try await self.stored(user, by: loop).session?.connection != nil
      }
      #expect(try await self.stored(user, by: loop).cursor?.hasPrefix("0-0 ") == true)
      try await eventually("the connection knows") {
        try await loop.eventLoop.submit { connection.value.registration.state == .entered }.get()
      }
    }
  }

  @Test(
    "enters nothing of a user who was erased meanwhile: the removal stays the last that is stored",
    arguments: [false, true])
  func erasedMeanwhile(isLost: Bool) async throws {
    try await TestLoop.with { loop in
      let user = "checked.erased.\(isLost)"
      try await loop.eventLoop.submit {
        let connection = loop.openConnection(user)
        if isLost { connection.registration.lost() }
        connection.registerAgain()
        // In the same turn, so that the commands of the check are appended behind it.
        connection.leave(.erased)
      }.get()
      let stored = try await self.stored(user, by: loop)
      #expect(stored.session == nil)
      #expect(stored.cursor == nil)
    }
  }

  // MARK: Answers

  @Test("is made of so many connections at once that neither a batch nor its failure is of all")
  func limited() async throws {
    let count = 2 * GatewayLimits.checksAtOnce + 100
    try await self.withHeldAnswers { loop, client in
      let connections = try await loop.eventLoop.submit {
        let connections = (0..<count).map { loop.openConnection("checked.many.\($0)") }
        for connection in connections {
          connection.registration.lost()
          connection.registerAgain()
        }
        return NIOLoopBound(connections, eventLoop: loop.eventLoop)
      }.get()
      try await self.eventuallyHeld(4 * count, by: client)
      let (sizes, areEntered) = try await loop.eventLoop.submit {
        client.tellAll()
        return (client.sizes, connections.value.map { $0.registration.state == .entered })
      }.get()
      #expect(sizes == [1_024, 1_024, 400])
      #expect(areEntered == Array(repeating: true, count: count))
    }
  }

  /// The commands of a check that enters: HSETNX of the cursor, HSETNX and HGET of the session, HGET of the
  /// highest stamp.
  @Test("is over when the last of its answers is there", arguments: [[0, 2, 1, 3], [3, 1, 0, 2]])
  func parts(order: [Int]) async throws {
    try await self.withHeldAnswers { loop, client in
      let connection = try await loop.eventLoop.submit {
        let connection = loop.openConnection("checked.parts.\(order[0])")
        connection.registration.lost()
        connection.registerAgain()
        return Bound(connection, eventLoop: loop.eventLoop)
      }.get()
      try await self.eventuallyHeld(4, by: client)
      let states = try await loop.eventLoop.submit {
        order.map { index in
          client.tell(index)
          return connection.value.registration.state
        }
      }.get()
      #expect(states == [.lost, .lost, .lost, .entered])
    }
  }

  @Test("asks nothing for a connection that has ended, and tells it nothing")
  func ended() async throws {
    try await self.withHeldAnswers { loop, client in
      let (late, early) = try await loop.eventLoop.submit {
        let late = loop.openConnection("checked.ended.late")
        let early = loop.openConnection("checked.ended.early")
        late.registerAgain()
        early.registerAgain()
        early.closeReceived(nil)
        return (
          Bound(late, eventLoop: loop.eventLoop), Bound(early, eventLoop: loop.eventLoop)
        )
      }.get()
      try await self.eventuallyHeld(3, by: client)
      let (sizes, states) = try await loop.eventLoop.submit {
        late.value.closeReceived(nil)
        // That nobody holds the device would have it entered.
        client.tellAll()
        return (client.sizes, [late.value.registration.state, early.value.registration.state])
      }.get()
      #expect(sizes == [3])
      #expect(states == [.removed, .removed])
      for user in ["late", "early"] {
        #expect(try await self.stored("checked.ended.\(user)", by: loop).session == nil)
      }
      #expect(try await loop.eventLoop.submit { client.sizes }.get() == [3])
    }
  }

  // MARK: What was missed

  /// - Parameter pushed: how many of two entries are pushed while the look is under way.
  @Test("finds what was missed behind what was pushed meanwhile", arguments: 0...2)
  func missed(pushed: Int) async throws {
    let user = "checked.missed.\(pushed)"
    let stand = try await TestStand.shared()
    try await self.withHeldAnswers { loop, client in
      let connection = try await loop.eventLoop.submit {
        Bound(loop.openConnection(user), eventLoop: loop.eventLoop)
      }.get()
      var batch = RedisBatch()
      let (session, key) = try await loop.eventLoop.submit {
        (connection.value.ownSession, connection.value.sessionKey)
      }.get()
      _ = SessionRegistry.register(session, in: key, to: &batch)
      try await loop.client.execute(batch).check()
      let offsets = try await stand.store(
        [.message(id: "x"), .message(id: "y")], for: user)

      try await loop.eventLoop.submit { connection.value.registerAgain() }.get()
      try await self.eventuallyHeld(3, by: client)
      let state = try await loop.eventLoop.submit {
        for offset in offsets.prefix(pushed) {
          connection.value.active.delivery.sent(offset, receipt: nil)
        }
        client.tellAll()
        return connection.value.active.delivery.state
      }.get()
      #expect(state == (pushed == 2 ? .current : .behind))
    }
  }
}
