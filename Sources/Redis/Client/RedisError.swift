/// Why a command has no value. What a caller must know is whether Redis may have executed it.
public enum RedisError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The command was never sent. It can be sent again without harm.
  case unavailable(String)
  /// The command was sent, and its reply did not come: Redis may or may not have executed it.
  case unanswered(String)
  /// Redis answered with an error, and executed nothing.
  case server(RedisServerError)
  /// Redis answered, but not in the form that the command's documentation gives.
  case unexpectedReply(String)

  /// Whether Redis may have executed the command.
  public var mayHaveBeenExecuted: Bool {
    switch self {
    case .unavailable, .server: false
    case .unanswered, .unexpectedReply: true
    }
  }

  /// What happened, for a person.
  public var description: String {
    switch self {
    case .unavailable(let reason): "Redis is unavailable: \(reason)"
    case .unanswered(let reason): "Redis did not answer: \(reason)"
    case .server(let error): "Redis refused: \(error.message)"
    case .unexpectedReply(let reason): "Redis answered in an unknown form: \(reason)"
    }
  }
}

/// An error reply in Redis's own words.
public struct RedisServerError: Error, Sendable, Hashable {
  /// The whole message, as `NOGROUP No such key …`.
  public let message: String

  /// Takes Redis's own words.
  public init(_ message: String) { self.message = message }

  /// The first word, which is the error's kind: `NOGROUP`, `OOM`, `WRONGPASS`, …
  public var code: Substring { self.message.prefix { $0 != " " } }
}
