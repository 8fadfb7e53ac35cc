/// Why a command has no value. The cases tell whether Redis may have executed it.
package enum RedisError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The command was never sent. It can be sent again without harm.
  case unavailable(String)
  /// We chose not to go on, such as because the lease under which the command was due is another's
  /// by now; nothing is wrong with Redis.
  case withheld(String)
  /// The command was sent, but no reply came: Redis may or may not have executed it.
  case unanswered(String)
  /// Redis executed the write, but not as many replicas have it as the batch's
  /// ``RedisBatch/confirmation`` asks for, as far as Redis says: a failover may lose it.
  case unconfirmed(String)
  /// Redis answered with an error, and executed nothing.
  case server(RedisServerError)
  /// Redis answered, but not in the documented form.
  case unexpectedReply(String)

  package var mayHaveBeenExecuted: Bool {
    switch self {
    case .unavailable, .withheld, .server: false
    case .unanswered, .unconfirmed, .unexpectedReply: true
    }
  }

  /// For a reply that is longer than the request allows.
  static func oversized(_ maximumBytes: Int) -> RedisError {
    .unanswered("\(Self.oversizedReason) \(maximumBytes) bytes, the limit for what was asked")
  }

  private static let oversizedReason = "a reply is longer than"

  /// Whether a reply was longer than allowed: asking for less may succeed.
  package var isOversized: Bool {
    guard case .unanswered(let reason) = self else { return false }
    return reason.hasPrefix(Self.oversizedReason)
  }

  /// Start of an ``unavailable(_:)`` reason where the file with the password is unreadable.
  static let passwordFileReason = "cannot read the password file"

  /// Start of an ``unavailable(_:)`` reason where the TLS handshake failed.
  static let handshakeReason = "cannot connect: "

  /// Whether there is no connection because the file with the password is unreadable.
  package var isOfPasswordFile: Bool {
    guard case .unavailable(let reason) = self else { return false }
    return reason.hasPrefix(Self.passwordFileReason)
  }

  /// Whether there is no connection because the TLS handshake failed.
  package var isOfTLS: Bool {
    guard case .unavailable(let reason) = self else { return false }
    return reason.hasPrefix(Self.handshakeReason)
  }

  package var description: String {
    switch self {
    case .unavailable(let reason): "Redis is unavailable: \(reason)"
    case .withheld(let reason): reason
    case .unanswered(let reason): "Redis did not answer: \(reason)"
    case .unconfirmed(let reason): "Redis has not confirmed a write: \(reason)"
    case .server(let error): "Redis refused: \(error)"
    case .unexpectedReply(let reason): "Redis answered in an unknown form: \(reason)"
    }
  }
}

/// An error reply in Redis's own words.
package struct RedisServerError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The message as it came, as `NOGROUP No such key …`: the first
  /// ``RedisLimits/maximumErrorBytes`` of it. To be compared, not to be shown.
  package let message: String

  package init(_ message: String) {
    let isShort = message.utf8.count <= RedisLimits.maximumErrorBytes
    self.message =
      isShort
      ? message
      : String(decoding: message.utf8.prefix(RedisLimits.maximumErrorBytes), as: UTF8.self)
  }

  /// The message on one line, without characters that act on a terminal.
  package var description: String { PrintableText.of(self.message) }

  /// The first word, which is the kind of the error: `NOGROUP`, `OOM`, `WRONGPASS`, …
  package var code: Substring { self.message.prefix { $0 != " " } }

  /// Whether the error says something about Redis's state and nothing about the command: the same
  /// command succeeds once the state has passed, by itself or by an operator.
  ///
  /// | code | why it passes |
  /// | --- | --- |
  /// | `OOM` | memory is full: something is removed, or `maxmemory` raised |
  /// | `MISCONF` | the disk is full or broken, so writes are refused |
  /// | `READONLY` | a replica, or a primary that was demoted |
  /// | `LOADING` | the data is being read at start |
  /// | `MASTERDOWN` | a replica without its primary |
  /// | `NOREPLICAS` | fewer replicas than writes need |
  /// | `CLUSTERDOWN`, `TRYAGAIN`, `MOVED`, `ASK` | the cluster is being changed |
  /// | `BUSY`, `UNKILLABLE` | a script or function runs for too long |
  /// | `UNBLOCKED`, `INPROG` | a server changes its role |
  /// | `NOAUTH`, `WRONGPASS`, `NOPERM` | the user or its rights are being changed, or wrong |
  /// | `EXECABORT` | for what it names as the cause; if it names none, that of a queued command |
  package var isTransient: Bool {
    let code = self.code
    if code == "EXECABORT" { return self.abortCause?.isTransient ?? true }
    return Self.transientCodes.contains(code)
  }

  static let transientCodes: Set<Substring> = [
    "OOM", "MISCONF", "READONLY", "LOADING", "MASTERDOWN", "NOREPLICAS", "CLUSTERDOWN", "TRYAGAIN",
    "MOVED", "ASK", "BUSY", "UNKILLABLE", "UNBLOCKED", "INPROG", "NOAUTH", "WRONGPASS", "NOPERM",
    "EXECABORT",
  ]

  /// Why Redis discarded a transaction, if the message says so.
  var abortCause: RedisServerError? {
    let mark = "because of: "
    guard let start = self.message.firstRange(of: mark)?.upperBound else { return nil }
    return RedisServerError(String(self.message[start...]))
  }
}
