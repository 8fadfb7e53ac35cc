import ConnectProtocol

/// Why a message was not sent, or is not known to be.
public enum ConnectSendError: Error, Hashable, Sendable {
  /// The body is not one JSON value; it says where.
  case malformedBody(String)
  /// A message with this id waits for its answer already.
  case duplicate(MessageID)
  /// As many messages are unanswered as may be; only of ``ConnectClient/tryEnqueue(to:id:body:receipt:copy:quiet:retry:)``
  /// and of ``Conversation/send(_:quiet:)``.
  case full
  /// The server does not take it.
  case rejected(ServerFrame.Rejected)
  /// The client has ended. What was under way may or may not have been taken.
  case ended(ConnectionEnd)
  /// The task was cancelled. What was under way goes on nevertheless.
  case cancelled
}

extension ConnectSendError: CustomStringConvertible {
  /// One short sentence without a full stop, for a person to read.
  public var description: String {
    switch self {
    case .malformedBody(let why): "the body is not a JSON value: \(why)"
    case .duplicate(let id): "a message \(id) is on its way already"
    case .full: "too many messages are unanswered"
    case .rejected(let rejected): "\(rejected.message) (\(rejected.code))"
    case .ended(let end): "the client has ended: \(end)"
    case .cancelled: "cancelled"
    }
  }
}
