import ConnectClient
import NIOCore

/// Attempts to open the first connections of a load: a gateway refuses them (503) until each of its event loops
/// has reached Redis, which may come after it listens.
struct OpeningAttempts {
  private static let most = 50
  /// Time to wait after each.
  private static let pause = TimeAmount.milliseconds(100)

  private var count = 0

  /// An attempt has ended: makes another one after ``pause``, if it may.
  ///
  /// - Returns: whether it will.
  mutating func openAgain(
    after ended: EndedConnection, on eventLoop: any EventLoop, _ open: @escaping () -> Void
  ) -> Bool {
    self.count += 1
    guard case .refused(let refusal) = ended.end, refusal.status == 503, self.count < Self.most
    else { return false }
    eventLoop.assumeIsolated().scheduleTask(in: Self.pause) { open() }
    return true
  }
}
