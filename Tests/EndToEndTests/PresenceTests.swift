import ConnectBench
import ConnectClient
import ConnectProtocol
import MessageBus
import Synchronization
import TestSupport
import Testing

/// Gateways of their own, which can be killed.
@Suite("Presence")
struct PresenceTests {
  /// Who is online, as a client was told.
  private final class Board: Sendable {
    private struct State {
      var statuses: [UserName: ServerFrame.Presence.Status] = [:]
      /// How many users each telling named.
      var counts: [Int] = []
      var connected = 0
    }

    private let state = Mutex(State())

    func note(_ event: ConnectEvent) {
      self.state.withLock { state in
        switch event {
        case .connected: state.connected += 1
        case .disconnected: state.statuses = [:]
        case .presence(let statuses):
          state.statuses.merge(statuses) { $1 }
          state.counts.append(statuses.count)
        default: break
        }
      }
    }

    /// The numbers of those who are online, once all are known.
    var online: Set<Int>? {
      self.state.withLock { state in
        guard state.statuses.count == PresenceTests.users else { return nil }
        return Set(
          state.statuses.filter(\.value.online).keys.compactMap { Int($0.text.dropFirst()) })
      }
    }

    var counts: [Int] { self.state.withLock(\.counts) }
    var connected: Int { self.state.withLock(\.connected) }
  }

  private static let users = 100
  private static func name(_ number: Int) -> UserName { UserName("u\(number)")! }

  /// Users are connected, with a board each, while `body` runs.
  private func connected(
    _ names: [(UserName, ConnectEndpoint)], to deployment: Deployment,
    _ body: ([(client: ConnectClient, board: Board)]) async throws -> Void
  ) async throws {
    let devices = names.map { name, endpoint in
      (
        client: ConnectClient(
          configuration: .init(endpoint: endpoint),
          token: { try await deployment.token(for: name) }), board: Board()
      )
    }
    try await withThrowingTaskGroup { group in
      for (client, board) in devices {
        group.addTask { try? await client.run() }
        group.addTask { for await event in client.events { board.note(event) } }
      }
      defer { for (client, _) in devices { client.close() } }
      try await eventually("all are connected") { devices.allSatisfy { $0.board.connected > 0 } }
      try await body(devices)
    }
  }

  /// What is left of a dead gateway's time passes at once.
  private func expire(_ gateway: Deployment.Instance, of deployment: Deployment) async throws {
    let id = try #require(InstanceID(gateway.id))
    let stream = Deployment.keys.outgoing(id).description
    var left = try await deployment.redis("PTTL", stream)
    let milliseconds = try left.integer()
    // -2: on a busy machine it has ended before.
    #expect(
      milliseconds == -2 || (1...60_000).contains(milliseconds),
      "it lives no longer than its heartbeat")
    try await deployment.redis("PEXPIRE", stream, "1")
  }

  @Test(
    """
    is right when gateways are killed: their users go with their last heartbeat and do not come back, \
    and who watches a hundred is told of all of them on the next one
    """)
  func killedGateways() async throws {
    try await Deployment.with(gateways: 2) { deployment in
      let (first, second) = (deployment.gateways[0], deployment.gateways[1])
      let ports = Mutex([first.port])
      try await LoadBalancer.with(gateways: { ports.withLock { $0 } }) { balancer in
        // The watcher, ten who go with its connection from one gateway to the next, and ten who do not.
        let names =
          [(UserName("watcher")!, balancer.endpoint)]
          + (0..<10).map { (Self.name($0), balancer.endpoint) }
          + (10..<20).map { (Self.name($0), second.endpoint) }
        try await self.connected(names, to: deployment) { devices in
          let (watcher, board) = devices[0]
          try watcher.watchPresence(of: (0..<Self.users).map(Self.name))
          try await eventually("all are told") { board.online == Set(0..<20) }

          await deployment.kill(second)
          try await self.expire(second, of: deployment)
          try await eventually("the users of a dead gateway are offline") {
            board.online == Set(0..<10)
          }

          let third = try await deployment.start(.gateway)
          devices[1].client.close()
          try await eventually("one has left") {
            var sessions = try await deployment.redis(
              "EXISTS", Deployment.keys.session(Self.name(0)).description)
            return try sessions.integer() == 0
          }
          let counts = board.counts.count
          ports.withLock { $0 = [third.port] }
          await deployment.kill(first)
          try await eventually("the watcher is told again") {
            board.connected > 1 && board.online == Set(1..<10)
          }
          #expect(board.counts[counts...].contains(Self.users), "of all at once")
          try await eventually("the others are there, too") {
            devices[2...10].allSatisfy { $0.board.connected > 1 }
          }
          try await self.expire(first, of: deployment)
          let now = try await watcher.presence(of: (0..<Self.users).map(Self.name))
          #expect(Set(now.filter(\.value.online).keys) == Set((1..<10).map(Self.name)))
        }
      }
    }
  }
}
