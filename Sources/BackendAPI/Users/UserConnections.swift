import ConnectProtocol
import MessageBus
import NIOCore
import Redis

/// Ends the connections of a user, whichever gateways hold them.
package struct UserConnections: Sendable {
  private let keys: Keys
  private let client: any RedisClient

  /// - Parameter client: Not that of messages, which would have to wait behind it.
  package init(keys: Keys, client: any RedisClient) {
    self.keys = keys
    self.client = client
  }

  /// Tells the gateways that hold a user's devices to close their connections. A session whose
  /// gateway is gone is removed.
  ///
  /// - Parameters:
  ///   - device: nil for all.
  ///   - isErased: whether nothing is to be stored any more of where the devices were.
  /// - Returns: how many connections are to be closed, as the registry has them.
  package func close(
    _ user: UserName, device: DeviceName? = nil, isErased: Bool = false
  ) async throws(RedisError) -> Int {
    let sessions = try await self.sessions(of: user).filter { session in
      device.map { $0.text == session.device } ?? true
    }
    var writer = DeliveryWriter(keys: self.keys)
    for gateway in Set(sessions.map(\.gateway)) {
      writer.addClosing(of: user, device: device, isErased: isErased, for: gateway)
    }
    guard !writer.isEmpty else { return 0 }
    var batch = RedisBatch()
    let targets = writer.write(to: &batch)
    let missing = try DeliveryWriter.missing(among: targets, await self.client.execute(batch))
    let stale = sessions.filter { missing.contains($0.gateway) }
    self.client.eventLoop.execute { [client, keys] in
      client.removeSessions(stale.map { ($0, of: keys.session(user)) })
    }
    return sessions.count - stale.count
  }

  /// Waits until no device of the user is in the registry, or the time for that is over: a gateway
  /// may have died, and a device come back at once.
  ///
  /// It asks again and again, since gateways remove sessions from Redis, which tells nobody.
  func waitUntilGone(_ user: UserName) async throws(RedisError) {
    let deadline = NIODeadline.now() + .milliseconds(BackendAPILimits.closingMilliseconds)
    while try await !self.sessions(of: user).isEmpty, NIODeadline.now() < deadline {
      // Cut short when the task is cancelled, as the waiting itself then is.
      guard
        (try? await Task.sleep(for: .milliseconds(BackendAPILimits.closingPollMilliseconds))) != nil
      else { return }
    }
  }

  private func sessions(of user: UserName) async throws(RedisError) -> [Session] {
    try await self.client.value { SessionRegistry.sessions(self.keys.session(user), to: &$0) }
  }
}
