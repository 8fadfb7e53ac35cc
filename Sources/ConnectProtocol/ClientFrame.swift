/// A frame that a client sends.
public enum ClientFrame: Hashable, Sendable {
  /// A message for another user; answered by `accepted` or `rejected`.
  case send(Send)
  /// All up to and including this offset are handled.
  case ack(Offset)
  /// The user has read a conversation up to an offset; answered by `position`.
  case read(Read)
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
    /// Whether the sender is told by `position` how far the recipient's devices have got.
    public var receipt: Bool
    /// Whether the sender's devices get the message as `sent`.
    public var copy: Bool
    /// Whether the message counts as unread nowhere, such as an edit of another one.
    public var quiet: Bool
    /// Whether this id may have been sent before.
    public var retry: Retry

    /// A message with everything chosen.
    public init(
      id: MessageID, to: UserName, body: Range<Int>, receipt: Bool = false, copy: Bool = false,
      quiet: Bool = false, retry: Retry = .no
    ) {
      self.id = id
      self.to = to
      self.body = body
      self.receipt = receipt
      self.copy = copy
      self.quiet = quiet
      self.retry = retry
    }
  }

  /// Whether a message may have been sent before.
  public enum Retry: Hashable, Sendable {
    /// This is the first time.
    case no
    /// It may have been, at any time.
    case yes
    /// It may have been, first at this time: milliseconds since 1970 by the server's clock, as
    /// ``ServerFrame/Welcome/now`` tells it.
    case firstSent(UInt64)
  }

  /// How far a user has read a conversation.
  public struct Read: Hashable, Sendable {
    /// The other side of the conversation.
    public var peer: UserName
    /// All of the peer's messages up to this offset of the reader's mailbox are read.
    public var offset: Offset
    /// Whether the peer is not told.
    public var isPrivate: Bool
    /// What the client calls the request; the answer or refusal names it.
    public var id: MessageID?

    /// A position with everything chosen.
    public init(peer: UserName, offset: Offset, isPrivate: Bool = false, id: MessageID? = nil) {
      self.peer = peer
      self.offset = offset
      self.isPrivate = isPrivate
      self.id = id
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
  ///   It names the message or request if the frame is a `send` or `read` whose id can be read,
  ///   whatever else is wrong.
  public static func scan(
    _ payload: UnsafeRawBufferPointer
  ) throws(FrameError) -> ClientFrame {
    var fields = Fields()
    do throws(JSONScanner.Failure) {
      try fields.scan(payload)
    } catch {
      var error = FrameError(error, in: payload)
      // Where it is not UTF-8 the connection ends, and nothing is answered.
      if error.kind == .malformed { error.messageID = JSONSkimmer.requestID(in: payload) }
      throw error
    }
    let type = FrameField("type", fields.type)
    switch try type.string() {
    case "send": return .send(try fields.send())
    case "ack": return .ack(try FrameField("offset", fields.offset).offset())
    case "read": return .read(try fields.read())
    case "ping": return .ping(id: try fields.pingID())
    default: throw type.wrong(.unknownType, "must be send, ack, read or ping")
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
    var quiet: JSONToken?
    var retry: JSONToken?
    var peer: JSONToken?
    var isPrivate: JSONToken?

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
        case "quiet": quiet = value
        case "retry": retry = value
        case "peer": peer = value
        case "private": isPrivate = value
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
          quiet: try FrameField("quiet", quiet).flag(),
          retry: try FrameField("retry", retry).retry())
      } catch {
        throw FrameError(kind: error.kind, message: error.message, messageID: id)
      }
    }

    func read() throws(FrameError) -> Read {
      let id = try FrameField("id", id).optionalMessageID(.invalidID)
      do throws(FrameError) {
        return Read(
          peer: try FrameField("peer", peer).user(.invalidRecipient),
          offset: try FrameField("offset", offset).offset(),
          isPrivate: try FrameField("private", isPrivate).flag(), id: id)
      } catch {
        throw FrameError(kind: error.kind, message: error.message, messageID: id)
      }
    }
  }
}

extension FrameField {
  /// A boolean or a time, or `.no` if left out.
  fileprivate func retry() throws(FrameError) -> ClientFrame.Retry {
    guard let token = optional else { return .no }
    if let bool = token.bool { return bool ? .yes : .no }
    guard let time = token.unsigned else {
      throw wrong(.malformed, "must be true, false or a time in milliseconds since 1970")
    }
    return .firstSent(time)
  }
}
