/// Why a payload is not a frame.
public struct FrameError: Error, Hashable, Sendable {
  /// Kind of an error, as far as it decides the answer.
  public enum Kind: Hashable, Sendable {
    /// No strict JSON object, or a field is missing or of the wrong kind.
    case malformed
    /// A `type` that is not served.
    case unknownType
    /// The `from` of a backend's message is not a user name.
    case invalidSender
    /// The recipient or another user that a frame names is not a user name.
    case invalidRecipient
    /// The `id` of a frame is not one.
    case invalidID
    /// A part of the frame is over its limit.
    case tooLarge
    /// The payload is not UTF-8: the connection is closed with 1007.
    case notUTF8
  }

  /// Kind of the error.
  public var kind: Kind

  /// The error and the byte where it is, in one short English sentence without a full stop. Holds
  /// nothing of the payload, so it may be sent and logged.
  public var message: String

  /// The frame's id if it can be read, other than that of a `ping`: what to answer `rejected` with. Where it is
  /// nil, the answer is `error`.
  public var messageID: MessageID?

  /// An error with everything chosen.
  public init(kind: Kind, message: String, messageID: MessageID? = nil) {
    self.kind = kind
    self.message = message
    self.messageID = messageID
  }

  /// The code to answer with; nil when the connection is to be closed instead.
  public var code: RejectionCode? {
    switch kind {
    // A frame has no sender: who sends is who the token says.
    case .malformed, .invalidSender: .malformed
    case .unknownType: .unknownType
    case .invalidRecipient: .invalidRecipient
    case .invalidID: .invalidID
    case .tooLarge: .tooLarge
    case .notUTF8: nil
    }
  }
}

extension FrameError: CustomStringConvertible {
  /// The message.
  public var description: String { message }
}

extension FrameError {
  /// The error behind a failed scan of `payload`. Broken UTF-8 anywhere outweighs everything else,
  /// so this looks at the whole payload, which a sound frame never pays for.
  init(_ failure: JSONScanner.Failure, in payload: UnsafeRawBufferPointer) {
    if let position = UTF8Check.firstInvalidByte(in: payload) {
      self.init(kind: .notUTF8, message: "not UTF-8 at byte \(position)")
    } else {
      self.init(kind: .malformed, message: "\(failure.reason) at byte \(failure.position)")
    }
  }
}
