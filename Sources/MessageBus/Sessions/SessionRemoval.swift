import ConnectProtocol
import NIOCore
import Redis

extension RedisClient {
  /// Removes sessions that are gone, each unless its device has connected anew.
  ///
  /// On the event loop only. Best effort: what stays is only a stale hint, removed by whoever meets
  /// it next.
  package func removeSessions(
    _ sessions: [(Session, of: RedisKey)], completion: @escaping () -> Void = {}
  ) {
    guard !sessions.isEmpty else { return completion() }
    var batch = RedisBatch()
    for (session, key) in sessions { SessionRegistry.remove(session, from: key, to: &batch) }
    self.submit(batch) { replies in
      var again = RedisBatch()
      for (index, (session, key)) in sessions.enumerated() {
        do throws(RedisError) {
          _ = try replies.cursor(index)
        } catch let error where SessionRegistry.needsScript(error) {
          SessionRegistry.load(on: key, to: &again)
          SessionRegistry.remove(session, from: key, to: &again)
        } catch {
          // Stays as a stale hint.
        }
      }
      self.submit(again) { _ in completion() }
    }
  }
}
