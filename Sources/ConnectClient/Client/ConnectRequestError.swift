import ConnectProtocol

/// Why a request has no answer.
public enum ConnectRequestError: Error, Hashable, Sendable {
  /// There was no connection, no answer, or only "later", for as long as a request waits; it says which.
  /// Asked later, it may be answered.
  case unavailable(String)
  /// The user asks for more than the server allows, over all devices; after this time it may be asked
  /// again.
  case rateLimited(retryAfter: Duration)
  /// The server does not answer this. The code is a `RejectionCode`, or what a newer server says.
  case refused(code: String, message: String)
  /// More users are named than one request may name.
  case tooManyUsers(Int)
  /// As many requests wait as may.
  case full
  /// The client has ended.
  case ended(ConnectionEnd)
  /// The task was cancelled.
  case cancelled
}

extension ConnectRequestError: CustomStringConvertible {
  /// One short sentence without a full stop, for a person to read.
  public var description: String {
    switch self {
    case .unavailable(let why): why
    case .rateLimited(let wait):
      "too many requests; ask again in \(max(1, wait.components.seconds)) s"
    case .refused(let code, let message): "\(message) (\(code))"
    case .tooManyUsers(let count):
      "\(count) users are more than the \(ClientFrame.Presence.maximumUsers) of one request"
    case .full: "too many requests wait for answers"
    case .ended(let end): "the client has ended: \(end)"
    case .cancelled: "cancelled"
    }
  }
}
