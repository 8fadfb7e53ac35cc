import ConnectProtocol
import NIOCore
import Redis

extension RedisClient {
  /// Removes sessions that are gone, each unless its device has connected again.
  ///
  /// On the event loop only. Best effort: what stays is only a stale hint, removed by whoever meets
  /// it next.
  package func removeSessions(
    _ sessions: [(Session, of: RedisKey)], completion: @escaping () -> Void = {}
  ) {
    guard !sessions.isEmpty else { return completion() }
    self.run(sessions.map { SessionRegistry.removal(of: $0, from: $1) }) { _ in completion() }
  }
}
