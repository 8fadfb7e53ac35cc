import ConnectProtocol
import NIOCore
import Redis

extension RedisClient {
  /// Removes sessions that are gone, each unless its device has connected again.
  ///
  /// On the event loop only. One that stays is a stale hint for pushes, and makes its user seem online while
  /// its gateway lives.
  ///
  /// - Parameter completion: called with those that may be left, since Redis did not say that they are not.
  package func removeSessions(
    _ sessions: [(Session, of: RedisKey)],
    completion: @escaping (_ left: [(Session, of: RedisKey)]) -> Void = { _ in }
  ) {
    guard !sessions.isEmpty else { return completion([]) }
    self.run(sessions.map { SessionRegistry.removal(of: $0, from: $1) }) { results in
      completion(
        zip(sessions, results).compactMap { session, result in
          if case .failure = result { session } else { nil }
        })
    }
  }
}
