import ConnectProtocol
import ConnectTestStand
import MessageBus
import Redis
import TestSupport
import Testing

@Suite("A connection whose user is erased")
struct ErasureTests {
  @Test("drops what waits to be told, and what was read and is not stored")
  func drops() async throws {
    var options = TestStand.Options()
    options.partitions = 1
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice")
      // What waits is told with the next tick of a second, which may be just before the erasure.
      var round = 0
      try await eventually("what waited was dropped") {
        round += 1
        let bob = "bob\(round)"
        let gateway = try await stand.startGateway()
        let socket = try await stand.online(bob, gateway: stand.gateways.count - 1)
        let first = try await self.send("\(round).1", to: bob, on: stand, from: alice)
        #expect(try await socket.expectMessage().offset == first)
        socket.ack(first)
        #expect(try await self.position(of: bob, to: alice).delivered == first)

        let second = try await self.send("\(round).2", to: bob, on: stand, from: alice)
        #expect(try await socket.expectMessage().offset == second)
        let added = try await stand.entriesAdded(for: "alice")
        socket.ack(second)
        socket.read(second, of: "alice")
        try await socket.expectOpen()
        try await self.erase(bob, at: gateway, of: stand)
        try await self.expectEnded(socket)
        try await gateway.service.stop()
        // Nothing comes later, since the gateway has stopped.
        let isStored = try await stand.position("alice", of: bob) != nil
        let isTold = try await stand.entriesAdded(for: "alice") > added
        if isTold { _ = try await self.position(of: bob, to: alice) }
        #expect(isTold || !isStored)
        return !isTold
      }
      try await alice.expectOpen()
    }
  }

  private func send(
    _ id: String, to bob: String, on stand: TestStand, from alice: TestSocket
  ) async throws -> Offset {
    alice.sendMessage(id, to: bob, also: #","receipt":true"#)
    while true {
      let frame = try await alice.expectFrame()
      switch frame.frame {
      // What an earlier user has read may be told in two steps.
      case .position: break
      case .accepted(let accepted, let offset) where accepted.text == id: return offset
      default: throw TestFailure("expected accepted for \(id), got \(frame.text)")
      }
    }
  }

  /// The next position of a user; those of earlier ones come before it, and are passed over.
  private func position(
    of bob: String, to alice: TestSocket
  ) async throws -> ServerFrame.Position {
    while true {
      let position = try await alice.expectPosition()
      if position.peer.text == bob { return position }
    }
  }

  /// Tells the gateway what it is told when a user is erased.
  private func erase(
    _ user: String, at gateway: TestStand.RunningGateway, of stand: TestStand
  ) async throws {
    var writer = DeliveryWriter(keys: stand.keys)
    writer.addClosing(of: UserName(user)!, device: nil, isErased: true, for: gateway.id)
    var batch = RedisBatch()
    writer.write(to: &batch)
    try await stand.redis.client.execute(batch).check()
  }

  /// Reads up to the end; the last before it must be the close of an erasure.
  private func expectEnded(_ socket: TestSocket) async throws {
    var code: UInt16?
    while true {
      switch try await socket.next() {
      case .close(let received, _): code = received
      case .ended: return #expect(code == 4001)
      default: break
      }
    }
  }
}
