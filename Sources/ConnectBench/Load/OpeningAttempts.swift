import ConnectClient
import NIOCore

/// Attempts to open the first connections of a load: a gateway refuses them (503) until each of its event loops
/// has reached Redis, which may come after it listens.
struct OpeningAttempts {
  private static let most = 50
  /// Time to wait after each.
  static let pause = TimeAmount.milliseconds(100)

  private var count = 0

  /// An attempt has ended.
  ///
  /// - Returns: whether to make another one, after ``pause``.
  mutating func mayTryAgain(after ended: EndedConnection) -> Bool {
    self.count += 1
    guard case .refused(let refusal) = ended.end else { return false }
    return refusal.status == 503 && self.count < Self.most
  }
}
