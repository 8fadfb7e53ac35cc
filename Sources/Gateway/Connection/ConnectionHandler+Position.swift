import ConnectProtocol
import MessageBus
import NIOCore
import Redis

/// Checks a claimed position of the device against what its Redis can have.
extension ConnectionHandler {
  /// Calls `body` with `position`; or, if that or `since` lies above everything that the mailbox has
  /// or can be given, with one that begins again.
  ///
  /// Such a place is from another life of Redis: one before a backup was restored, or before its
  /// clock was put back. All that comes would count as seen, until the clock is there.
  ///
  /// New entries get Redis's time, so what is not above ours is in order. The mailbox is asked only if
  /// that comparison fails, as it does when Redis's clock is ahead of ours.
  func withPlausible(_ position: Cursors.Position, _ body: @escaping (Cursors.Position) -> Void) {
    let now = Offset(
      milliseconds: UInt64(SystemClock.secondsSince1970() * 1_000), sequence: .max)
    guard max(self.since ?? .zero, position.acked) > now else { return body(position) }
    var batch = RedisBatch()
    let top = batch.top(of: self.loop.configuration.keys.mailbox(self.user))
    self.loop.client.submit(batch) { replies in
      guard !self.isOver else { return self.forget() }
      do throws(RedisError) {
        body(self.correct(position, below: max(now, try replies[top])))
      } catch {
        self.loop.noteRejection(error)
        self.close(.tryAgainLater, "the session could not be registered")
      }
    }
  }

  private func correct(_ position: Cursors.Position, below top: Offset) -> Cursors.Position {
    let isLost = position.acked > top
    // A client that says where it is begins there, wherever Redis thought it was.
    self.beginsAgain = self.since.map { $0 > top } ?? isLost
    if self.beginsAgain { self.since = .zero }
    guard self.beginsAgain || isLost else { return position }
    if isLost { self.loop.metrics.cursorsReset.increment() }
    return isLost ? position.begunAgain : position
  }
}
