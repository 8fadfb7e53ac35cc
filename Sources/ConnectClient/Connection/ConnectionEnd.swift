import ConnectProtocol

/// Why a connection ended, or never came to be.
public enum ConnectionEnd: Error, Hashable, Sendable {
  /// This end closed it.
  case closed
  /// The server closed it; nil if its close frame had no code.
  case closedByServer(CloseCode?, reason: String)
  /// The server, or a proxy before it, did not upgrade it.
  case refused(UpgradeRefusal)
  /// The server that answered does not speak this protocol over WebSocket.
  case notConnect(String)
  /// The token cannot stand in a header: it is empty, or has spaces or control characters.
  case invalidToken
  /// This library has no TLS on this platform, or on this event loop, and was given none; see
  /// ``ConnectClientConfiguration/transportSecurity``.
  case noTransportSecurity
  /// TLS with the server failed before there was a connection, as when its certificate is of another host or of
  /// an authority that is not trusted; it says what to do.
  case insecure(String)
  /// The token is of this user, and not of ``ConnectClientConfiguration/user``.
  case otherUser(String)
  /// No token could be had; for the session above the connection.
  case noToken(String)
  /// The server could not be reached.
  case unreachable(String)
  /// It did not welcome us in time.
  case timedOut
  /// The socket ended without a close frame.
  case lost(String)
  /// Nothing came for two of the server's ping periods.
  case silent
  /// The server broke the protocol.
  case violation(String)
}

extension ConnectionEnd: CustomStringConvertible {
  /// One short sentence without a full stop, for a person to read.
  public var description: String {
    switch self {
    case .closed: "closed"
    case .closedByServer(let code, let reason):
      "the server closed the connection" + (code.map { " with code \($0)" } ?? "")
        + (reason.isEmpty ? "" : ": \(reason)")
    case .refused(let refusal): "the server refused the connection: \(refusal)"
    case .notConnect(let why): "this is not a Connect gateway: \(why)"
    case .invalidToken: "the token is empty or has characters that no token has"
    case .noTransportSecurity:
      "wss:// needs TLS, which this library does not have here: set a transportSecurity"
    case .insecure(let why): why
    case .otherUser(let name): "the token is of \(name), and another user is signed in"
    case .noToken(let why): "no token could be had: \(why)"
    case .unreachable(let why): "the server cannot be reached: \(why)"
    case .timedOut: "the server did not answer in time"
    case .lost(let why): "the connection was lost: \(why)"
    case .silent: "the server has fallen silent"
    case .violation(let what): "the server broke the protocol: \(what)"
    }
  }
}

/// All that is known about a connection that has ended.
public struct EndedConnection: Hashable, Sendable {
  /// Why it ended.
  public var end: ConnectionEnd
  /// How long it had been welcomed, in milliseconds; nil if it never was.
  public var welcomedMilliseconds: Int64?
  /// Time to wait that a `goodbye` asked for before the end, in milliseconds.
  public var reconnectAfterMilliseconds: Int?

  /// An ended connection with everything chosen.
  public init(
    end: ConnectionEnd, welcomedMilliseconds: Int64? = nil, reconnectAfterMilliseconds: Int? = nil
  ) {
    self.end = end
    self.welcomedMilliseconds = welcomedMilliseconds
    self.reconnectAfterMilliseconds = reconnectAfterMilliseconds
  }
}
