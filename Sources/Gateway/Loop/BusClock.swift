import NIOConcurrencyHelpers
import NIOCore

/// The time of the bus's Redis, as the last heartbeat has told it.
///
/// Clients count on from it, so that what they send again says by that clock when it was first sent.
final class BusClock: Sendable {
  private struct Told {
    var milliseconds: UInt64
    var at: NIODeadline
  }

  private let told = NIOLockedValueBox<Told?>(nil)

  /// - Parameter milliseconds: since 1970.
  func heard(_ milliseconds: UInt64) {
    self.told.withLockedValue { $0 = Told(milliseconds: milliseconds, at: .now()) }
  }

  /// Milliseconds since 1970; by this machine's clock until Redis's is known.
  var now: UInt64 {
    guard let told = self.told.withLockedValue({ $0 }) else {
      return UInt64(SystemClock.secondsSince1970() * 1_000)
    }
    return told.milliseconds + UInt64(max(0, (NIODeadline.now() - told.at).nanoseconds) / 1_000_000)
  }
}
