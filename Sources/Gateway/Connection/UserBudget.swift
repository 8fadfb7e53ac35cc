import Synchronization

/// Budget of one user for a second: sends, reads, positions, what mailboxes are searched for, requests, what is
/// read for them, and signals.
///
/// Shared by all connections of the user on this gateway, whatever their event loops; hence the lock,
/// which is free nearly always.
final class UserBudget: Sendable {
  private struct Buckets {
    var sends: TokenBucket
    var lookUps: TokenBucket
    var requests: TokenBucket
    var largePages: TokenBucket
    var signals: TokenBucket
  }

  /// The scarce resource, and the milliseconds until there is enough of it.
  enum Shortage: Hashable {
    case sends(Int)
    case lookUps(Int)
    case requests(Int)
    case signals(Int)
  }

  private let buckets: Mutex<Buckets>
  /// Tokens that positions leave for sends.
  private let reserve: Int

  /// A full budget, at `now` in nanoseconds.
  init(_ configuration: GatewayConfiguration, now: UInt64) {
    let sends = configuration.sendsPerSecond
    self.reserve = sends * GatewayLimits.sendReserveSeconds
    self.buckets = Mutex(
      Buckets(
        sends: TokenBucket(
          perSecond: Double(sends), burst: sends * GatewayLimits.sendBurstSeconds, now: now),
        lookUps: TokenBucket(
          perSecond: sends == 0 ? 0 : Double(configuration.lookUpsPerSecond),
          burst: configuration.lookUpsAtOnce, now: now),
        requests: TokenBucket(
          perSecond: Double(configuration.requestsPerSecond),
          burst: configuration.requestsPerSecond * GatewayLimits.requestBurstSeconds, now: now),
        largePages: TokenBucket(
          perSecond: configuration.largePagesPerSecond, burst: GatewayLimits.largePagesAtOnce,
          now: now),
        signals: TokenBucket(
          perSecond: Double(configuration.signalsPerSecond),
          burst: configuration.signalsPerSecond * GatewayLimits.signalBurstSeconds, now: now)))
  }

  /// Takes what a send or a read costs, or nothing if there is not enough.
  ///
  /// - Parameter isLookedUp: a mailbox is searched for it: messaging looks for a send marked `retry` in
  ///   the recipient's, and the gateway looks into the user's own for a read of what was not sent.
  func takeSend(isLookedUp: Bool, now: UInt64) -> Shortage? {
    self.buckets.withLock { buckets in
      if isLookedUp, let wait = buckets.lookUps.wait(now: now) { return .lookUps(wait) }
      if let wait = buckets.sends.take(now: now) { return .sends(wait) }
      if isLookedUp { _ = buckets.lookUps.take(now: now) }
      return nil
    }
  }

  /// Takes what a request costs, or nothing if there is not enough.
  func takeRequest(now: UInt64) -> Shortage? {
    self.buckets.withLock { $0.requests.take(now: now) }.map { .requests($0) }
  }

  /// Returns what a request cost that could not be answered.
  func returnRequest() { self.buckets.withLock { $0.requests.giveBack() } }

  /// Takes a page that is not small, of a list or of history; nothing if there is none left.
  ///
  /// - Returns: whether there was one. Else the page is read all the same, but waits for those of others.
  func takeLargePage(now: UInt64) -> Bool {
    self.buckets.withLock { $0.largePages.take(now: now) == nil }
  }

  /// Takes what a signal costs, or nothing if there is not enough.
  func takeSignal(now: UInt64) -> Shortage? {
    self.buckets.withLock { $0.signals.take(now: now) }.map { .signals($0) }
  }

  /// Returns the surcharge of a look-up that was never made.
  func returnLookUp() {
    self.buckets.withLock { $0.lookUps.giveBack() }
  }

  /// Takes what a position for a peer costs, as much as a send.
  ///
  /// What others write to a user must not keep the user from sending. So positions leave a part to
  /// sends, unless they have waited: were that not so, a user who always sends would tell none.
  ///
  /// - Returns: whether there was enough.
  func takePosition(haveWaited: Bool, now: UInt64) -> Bool {
    self.buckets.withLock { buckets in
      buckets.sends.take(now: now, leaving: haveWaited ? 0 : self.reserve) == nil
    }
  }

  /// Whether it equals a new one.
  func isFull(now: UInt64) -> Bool {
    self.buckets.withLock { buckets in
      buckets.sends.isFull(now: now) && buckets.lookUps.isFull(now: now)
        && buckets.requests.isFull(now: now) && buckets.largePages.isFull(now: now)
        && buckets.signals.isFull(now: now)
    }
  }
}
