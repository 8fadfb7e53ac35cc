/// A frame that a client sends.
public enum ClientFrame: Hashable, Sendable {
  /// A message for another user; answered by `accepted` or `rejected`.
  case send(Send)
  /// All up to and including this offset are handled.
  case ack(Offset)
  /// Answered by `pong` with the same id.
  case ping(id: String?)

  /// How many bytes the id of a ping may have between its quotes, escapes counted as they stand.
  public static let maximumPingIDLength = 64

  /// A message on its way in.
  public struct Send: Hashable, Sendable {
    /// The sender's id for the message.
    public var id: MessageID
    /// The recipient.
    public var to: UserName
    /// Where the payload that was scanned holds the body: one JSON value, byte for byte, without
    /// the white space around it.
    public var body: Range<Int>
    /// Whether the sender wants `delivered` when a device has acked the message.
    public var receipt: Bool
    /// Whether the sender's other devices get the message as `sent`.
    public var copy: Bool
    /// Whether this id may have been sent before.
    public var retry: Bool

    /// A message with everything chosen.
    public init(
      id: MessageID, to: UserName, body: Range<Int>, receipt: Bool = false, copy: Bool = false,
      retry: Bool = false
    ) {
      self.id = id
      self.to = to
      self.body = body
      self.receipt = receipt
      self.copy = copy
      self.retry = retry
    }
  }
}

extension ClientFrame {
  /// Reads the payload of one text message, in one pass and without allocating but for the strings
  /// of the result.
  ///
  /// The whole payload is held to RFC 8259, body included, since others will receive it within
  /// frames of their own; surrogate escapes must pair, and nesting ends at 512 levels. Of
  /// duplicate keys the last counts. Never traps, whatever the bytes.
  ///
  /// - Throws: the most telling `FrameError`: broken UTF-8 before broken JSON before a wrong field.
  ///   It names the message if the frame is a `send` whose id can be read, whatever else is wrong.
  public static func scan(
    _ payload: UnsafeRawBufferPointer
  ) throws(FrameError) -> ClientFrame {
    var fields = Fields()
    do throws(JSONScanner.Failure) {
      try fields.scan(payload)
    } catch {
      var error = FrameError(error, in: payload)
      // Where it is not UTF-8 the connection ends, and nothing is answered.
      if error.kind == .malformed { error.messageID = JSONSkimmer.sendID(in: payload) }
      throw error
    }
    let type = FrameField("type", fields.type)
    switch try type.string() {
    case "send": return .send(try fields.send())
    case "ack": return .ack(try FrameField("offset", fields.offset).offset())
    case "ping": return .ping(id: try fields.pingID())
    default: throw type.wrong(.unknownType, "must be send, ack or ping")
    }
  }

  /// The fields of all types, as found: which type it is may come last.
  private struct Fields {
    var type: JSONToken?
    var id: JSONToken?
    var to: JSONToken?
    var body: JSONToken?
    var offset: JSONToken?
    var receipt: JSONToken?
    var copy: JSONToken?
    var retry: JSONToken?

    mutating func scan(_ payload: UnsafeRawBufferPointer) throws(JSONScanner.Failure) {
      var scanner = JSONScanner(payload)
      try scanner.beginObject()
      while let key = try scanner.nextKey() {
        let value = try scanner.value()
        switch key {
        case "type": type = value
        case "id": id = value
        case "to": to = value
        case "body": body = value
        case "offset": offset = value
        case "receipt": receipt = value
        case "copy": copy = value
        case "retry": retry = value
        default: break
        }
      }
      try scanner.finish()
    }

    func pingID() throws(FrameError) -> String? {
      let field = FrameField("id", id)
      guard let token = try field.optionalString() else { return nil }
      guard token.scannedLength <= maximumPingIDLength else {
        throw field.wrong(.invalidID, "must have at most \(maximumPingIDLength) bytes in a ping")
      }
      return token.text
    }

    func send() throws(FrameError) -> Send {
      let id = try FrameField("id", id).messageID(.invalidID)
      do throws(FrameError) {
        return Send(
          id: id,
          to: try FrameField("to", to).user(.invalidRecipient),
          body: try FrameField("body", body).anything().range,
          receipt: try FrameField("receipt", receipt).flag(),
          copy: try FrameField("copy", copy).flag(),
          retry: try FrameField("retry", retry).flag())
      } catch {
        throw FrameError(kind: error.kind, message: error.message, messageID: id)
      }
    }
  }
}
