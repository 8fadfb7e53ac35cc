import ConnectProtocol

/// Whether, when and how to connect again: the table of close codes in Protocol.md, and what goes
/// for refusals and losses.
///
/// Pure: it holds no socket and no clock; randomness comes from the caller.
package struct ReconnectStateMachine {
  package enum State: Hashable {
    /// Not asked to connect. May become `.connecting`.
    case idle
    /// An attempt is under way, or a connection is there. May become any but `.idle`.
    case connecting
    /// The next attempt is due after a while. May become `.connecting` or `.stopped`.
    case waiting
    /// Final.
    case stopped
  }

  package private(set) var state = State.idle
  private var backoff = Backoff()
  private var refusedTokens = 0
  private let reconnectsAfterNormalClose: Bool

  package init(reconnectsAfterNormalClose: Bool) {
    self.reconnectsAfterNormalClose = reconnectsAfterNormalClose
  }

  /// Attempts that failed in a row.
  var failures: Int { self.backoff.failures }

  /// The app wants a connection, or a wait is over.
  ///
  /// - Returns: whether to ask for a token now and connect with it.
  package mutating func connect() -> Bool {
    switch self.state {
    case .idle, .waiting:
      self.state = .connecting
      return true
    case .connecting, .stopped:
      return false
    }
  }

  /// The app wants no connection any more.
  package mutating func stop() { self.state = .stopped }

  package enum Action: Hashable {
    /// Connect again after so many milliseconds, with a new token from the provider.
    case wait(milliseconds: Int64)
    /// It is over.
    case stop
  }

  /// A connection has ended, or an attempt has failed.
  package mutating func ended(
    _ ended: EndedConnection, using random: inout some RandomNumberGenerator
  ) -> Action {
    guard self.state != .stopped else { return .stop }
    if let lived = ended.welcomedMilliseconds {
      self.refusedTokens = 0
      if lived >= ConnectClientLimits.stableMilliseconds { self.backoff.reset() }
    }
    guard let wait = self.wait(after: ended, using: &random) else {
      self.state = .stopped
      return .stop
    }
    self.state = .waiting
    return .wait(milliseconds: wait)
  }

  private mutating func wait(
    after ended: EndedConnection, using random: inout some RandomNumberGenerator
  ) -> Int64? {
    switch ended.end {
    case .closed, .invalidToken, .noTransportSecurity, .otherUser, .notConnect:
      return nil
    case .refused(let refusal):
      return self.wait(after: refusal, using: &random)
    case .closedByServer(let code, _):
      return self.wait(
        after: code, asked: ended.reconnectAfterMilliseconds, using: &random)
    case .lost, .silent, .unreachable, .timedOut, .insecure, .noToken, .violation:
      // A server that said goodbye and then broke off still meant what it said.
      return self.asked(ended.reconnectAfterMilliseconds) ?? self.backoff.next(using: &random)
    }
  }

  private mutating func wait(
    after code: CloseCode?, asked: Int?, using random: inout some RandomNumberGenerator
  ) -> Int64? {
    switch code?.reconnect ?? .yes {
    case .no, .onceFixed:
      return nil
    case .asTheAppLikes:
      return self.reconnectsAfterNormalClose ? self.backoff.next(using: &random) : nil
    case .whenTold, .yes:
      return self.asked(asked) ?? self.backoff.next(using: &random)
    case .withNewToken:
      return self.backoff.next(using: &random)
    case .withBackOff:
      self.backoff.atLeast(1)
      return self.backoff.next(using: &random)
    case .afterPause:
      self.backoff.atLeast(1)
      return ConnectClientLimits.policyPauseMilliseconds + self.backoff.next(using: &random)
    }
  }

  private mutating func wait(
    after refusal: UpgradeRefusal, using random: inout some RandomNumberGenerator
  ) -> Int64? {
    switch refusal.status {
    case 401:
      // The provider may have had an old one; it is asked for another.
      self.refusedTokens += 1
      guard self.refusedTokens < ConnectClientLimits.refusedTokens else { return nil }
      return self.backoff.next(using: &random)
    case 408, 425, 429:
      break
    case 400..<500:
      return nil
    default:
      // The server or a proxy before it: it may well be better later.
      break
    }
    // On top of what was asked for, so that all who were told the same do not come back at once.
    let asked = self.asked(refusal.retryAfterSeconds.map { $0 * 1_000 }) ?? 0
    return asked + self.backoff.next(using: &random)
  }

  private func asked(_ milliseconds: Int?) -> Int64? {
    milliseconds.map {
      Int64(min(Int64(max($0, 0)), ConnectClientLimits.askedWaitMilliseconds))
    }
  }
}
