// ConnectProtocol is what an app and a Gateway say to each other: the frames, the names and codes
// in them, and the strict JSON underneath. It knows of no socket, no HTTP and no Redis.
//
// This file is every code that crosses the wire, in one table: clients outside this repository rely
// on them, so the raw values are only ever added to.

/// The names under which client and Gateway agree to speak this protocol in the upgrade.
public enum Subprotocol {
  /// Version 1 of the protocol, as offered and echoed in `Sec-WebSocket-Protocol`.
  public static let v1 = "connect.v1.json"

  /// Put before a token that a browser offers as a second subprotocol, since it cannot set
  /// headers. What begins with it is a secret: never echoed back and never logged.
  public static let bearerPrefix = "connect.bearer."
}

/// Why a frame was not taken: the `code` of `rejected` and `error`.
public enum RejectionCode: String, CaseIterable, Sendable {
  /// The frame is not a JSON object, or a field is missing or of the wrong kind.
  case malformed
  /// The `type` is none that this server serves.
  case unknownType = "unknown_type"
  /// The frame or its body is over the limit that `welcome` told.
  case tooLarge = "too_large"
  /// `to` or `peer` is not a user name.
  case invalidRecipient = "invalid_recipient"
  /// `id` is not a message id.
  case invalidID = "invalid_id"
  /// The user sends more than `sendsPerSecond`, or more with `retry` than may be searched for.
  case rateLimited = "rate_limited"
  /// The server sheds load.
  case overloaded
  /// The message could not be made durable now.
  case unavailable
  /// The server is about to restart; `goodbye` follows.
  case draining

  /// Whether the same frame, sent again with `retry` set, may be taken.
  public var isRetryable: Bool {
    switch self {
    case .rateLimited, .overloaded, .unavailable, .draining: true
    case .malformed, .unknownType, .tooLarge, .invalidRecipient, .invalidID: false
    }
  }
}

/// Why an accepted message did not reach the mailbox: the `code` of `failed`.
public enum FailureCode: String, CaseIterable, Sendable {
  /// The recipient has too many messages that no device has acked.
  case mailboxFull = "mailbox_full"
  /// The message went to the dead letters.
  case unprocessable

  /// Its meaning, for a developer to read.
  public var explanation: String {
    switch self {
    case .mailboxFull: "the recipient's mailbox is full"
    case .unprocessable: "the message could not be processed; it was set aside for the operator"
    }
  }
}

/// Why an upgrade, or another HTTP request, was refused: the `code` of the one-line JSON body.
public enum RefusalCode: String, CaseIterable, Sendable {
  /// The request, its device, its offset or its subprotocols make no sense.
  case malformed
  /// The token is missing, invalid or expired.
  case unauthorized
  /// The origin is not allowed.
  case forbidden
  /// There is no such path.
  case notFound = "not_found"
  /// The path speaks WebSocket only.
  case upgradeRequired = "upgrade_required"
  /// The server, or this user, has as many connections as it may.
  case tooManyConnections = "too_many_connections"
  /// The header is over the limit.
  case headerTooLarge = "header_too_large"
  /// The server is about to restart.
  case draining
  /// The server is not ready.
  case unavailable

  /// The HTTP status that goes with the code.
  public var status: Int {
    switch self {
    case .malformed: 400
    case .unauthorized: 401
    case .forbidden: 403
    case .notFound: 404
    case .upgradeRequired: 426
    case .tooManyConnections: 429
    case .headerTooLarge: 431
    case .draining, .unavailable: 503
    }
  }
}

/// Why a request of an app's backend was not carried out: the `code` of the JSON answer.
///
/// Where a frame or an upgrade can be refused for the same reason, the code is the same.
public enum BackendCode: String, CaseIterable, Sendable {
  /// The request or its body makes no sense.
  case malformed
  /// `from` is not a user name.
  case invalidSender = "invalid_sender"
  /// `to` is not a user name.
  case invalidRecipient = "invalid_recipient"
  /// `id` is not a message id.
  case invalidID = "invalid_id"
  /// The user of the path is not a user name.
  case invalidUser = "invalid_user"
  /// The service token is missing or none of those that are taken.
  case unauthorized
  /// There is no such path.
  case notFound = "not_found"
  /// Nothing is known of the user.
  case unknownUser = "unknown_user"
  /// The path does not take the method; `Allow` says which it takes.
  case methodNotAllowed = "method_not_allowed"
  /// The request did not come whole in time.
  case tooSlow = "too_slow"
  /// The body is over the limit.
  case tooLarge = "too_large"
  /// The body is said to be something else than JSON in UTF-8.
  case unsupportedMediaType = "unsupported_media_type"
  /// The `Expect` is none that this server meets.
  case expectationFailed = "expectation_failed"
  /// The header is over the limit.
  case headerTooLarge = "header_too_large"
  /// This instance has as many connections as it takes.
  case tooManyConnections = "too_many_connections"
  /// Something is wrong on this side that does not pass by itself; its log says what.
  case failed
  /// Messages come faster than they can be processed.
  case overloaded
  /// It could not be done now, or not be made sure that it was.
  case unavailable

  /// The HTTP status that goes with the code.
  public var status: Int {
    switch self {
    case .malformed, .invalidSender, .invalidRecipient, .invalidID, .invalidUser: 400
    case .unauthorized: 401
    case .notFound, .unknownUser: 404
    case .methodNotAllowed: 405
    case .tooSlow: 408
    case .tooLarge: 413
    case .unsupportedMediaType: 415
    case .expectationFailed: 417
    case .tooManyConnections: 429
    case .headerTooLarge: 431
    case .failed: 500
    case .overloaded, .unavailable: 503
    }
  }

  /// Whether the same request, sent again later, may be carried out.
  public var isRetryable: Bool {
    switch self {
    case .tooSlow, .tooManyConnections, .overloaded, .unavailable: true
    default: false
    }
  }
}

/// The code of a WebSocket close frame.
///
/// Not an enum, since a client also meets codes of newer servers and of proxies between.
public struct CloseCode: RawRepresentable, Hashable, Sendable {
  /// The number on the wire.
  public let rawValue: UInt16

  /// The code with this number, known or not.
  public init(rawValue: UInt16) {
    self.rawValue = rawValue
  }

  /// 1000: whoever closed had nothing more to say.
  public static let normal = CloseCode(rawValue: 1000)
  /// 1001: the page or the server goes away.
  public static let goingAway = CloseCode(rawValue: 1001)
  /// 1002: not RFC 6455.
  public static let protocolError = CloseCode(rawValue: 1002)
  /// 1003: a binary message.
  public static let unsupportedData = CloseCode(rawValue: 1003)
  /// 1007: a text message that is not UTF-8.
  public static let invalidPayload = CloseCode(rawValue: 1007)
  /// 1008: too many bad frames, or limits abused.
  public static let policyViolation = CloseCode(rawValue: 1008)
  /// 1009: a message over the limit.
  public static let messageTooBig = CloseCode(rawValue: 1009)
  /// 1011: the server failed.
  public static let internalError = CloseCode(rawValue: 1011)
  /// 1012: the server restarts; `goodbye` has said when to come back.
  public static let restart = CloseCode(rawValue: 1012)
  /// 1013: the server has no room now.
  public static let tryAgainLater = CloseCode(rawValue: 1013)
  /// 4001: the token has expired, or the app's backend has ended the connection.
  public static let tokenExpired = CloseCode(rawValue: 4001)
  /// 4002: a newer connection of this device took over.
  public static let replaced = CloseCode(rawValue: 4002)
  /// 4003: nothing came from the client for two ping periods.
  public static let noPong = CloseCode(rawValue: 4003)
  /// 4004: the device is new, and as many as a user may have are connected.
  public static let tooManyDevices = CloseCode(rawValue: 4004)

  /// The reaction of a client to a close with this code.
  public var reconnect: Reconnect {
    switch self {
    case .normal: .asTheAppLikes
    case .goingAway, .noPong: .yes
    case .protocolError, .unsupportedData, .invalidPayload, .messageTooBig: .onceFixed
    case .policyViolation: .afterPause
    case .restart: .whenTold
    case .tokenExpired: .withNewToken
    case .replaced, .tooManyDevices: .no
    default: .withBackOff
    }
  }

  /// Whether, when and how to connect again after a close. Wherever a client does, it does so with
  /// full-jitter exponential back-off between attempts that fail.
  public enum Reconnect: Hashable, Sendable {
    /// The close was wanted: only the app knows.
    case asTheAppLikes
    /// At once.
    case yes
    /// Only once the client is fixed: the same frames would close the connection again.
    case onceFixed
    /// After a pause, and then more slowly.
    case afterPause
    /// Yes, the first attempt already delayed by the back-off. Also the answer to unknown codes.
    case withBackOff
    /// After the `reconnectAfterMs` of `goodbye`, or with back-off if there was none.
    case whenTold
    /// With a new token; the old one is refused.
    case withNewToken
    /// No: the device has a newer connection, and the two would take turns for ever; or it has no
    /// place until another one leaves, which only a person decides.
    case no
  }
}

extension CloseCode: CustomStringConvertible {
  /// The number.
  public var description: String { String(rawValue) }
}
