import NIOCore

/// A message that an app's backend has a user send: the body of `POST /v1/messages`.
public struct BackendMessage: Hashable, Sendable {
  /// The sender.
  public var from: UserName
  /// The recipient.
  public var to: UserName
  /// The sender's id for it.
  public var id: MessageID
  /// Where the bytes that were scanned hold the body: one JSON value, byte for byte, without the
  /// white space around it.
  public var body: Range<Int>
  /// Whether the sender is told by `position` how far the recipient's devices have got.
  public var receipt: Bool
  /// Whether the sender's devices get the message as `sent`.
  public var copy: Bool
  /// Whether the message counts as unread nowhere.
  public var quiet: Bool

  /// Reads one JSON object, as strictly as ``ClientFrame/scan(_:)`` does.
  ///
  /// - Throws: the most telling `FrameError`: broken UTF-8 before broken JSON before a wrong field.
  public static func scan(_ bytes: UnsafeRawBufferPointer) throws(FrameError) -> BackendMessage {
    var fields = Fields()
    do throws(JSONScanner.Failure) {
      try fields.scan(bytes)
    } catch {
      throw FrameError(error, in: bytes)
    }
    return BackendMessage(
      from: try FrameField("from", fields.from).user(.invalidSender),
      to: try FrameField("to", fields.to).user(.invalidRecipient),
      id: try FrameField("id", fields.id).messageID(.invalidID),
      body: try FrameField("body", fields.body).anything().range,
      receipt: try FrameField("receipt", fields.receipt).flag(),
      copy: try FrameField("copy", fields.copy).flag(),
      quiet: try FrameField("quiet", fields.quiet).flag())
  }

  private struct Fields {
    var from: JSONToken?
    var to: JSONToken?
    var id: JSONToken?
    var body: JSONToken?
    var receipt: JSONToken?
    var copy: JSONToken?
    var quiet: JSONToken?

    mutating func scan(_ bytes: UnsafeRawBufferPointer) throws(JSONScanner.Failure) {
      var scanner = JSONScanner(bytes)
      try scanner.beginObject()
      while let key = try scanner.nextKey() {
        let value = try scanner.value()
        switch key {
        case "from": from = value
        case "to": to = value
        case "id": id = value
        case "body": body = value
        case "receipt": receipt = value
        case "copy": copy = value
        case "quiet": quiet = value
        default: break
        }
      }
      try scanner.finish()
    }
  }
}

extension FrameError {
  /// The code to answer a backend with.
  public var backendCode: BackendCode {
    switch kind {
    case .invalidSender: .invalidSender
    case .invalidRecipient: .invalidRecipient
    case .invalidID: .invalidID
    case .malformed, .notUTF8, .unknownType, .tooLarge: .malformed
    }
  }
}

extension ByteBuffer {
  /// Appends the answer to a message that was taken.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writeTaken(id: MessageID, offset: Offset) -> Int {
    writeJSON(atMost: 30 + id.text.utf8.count + Offset.maximumTextLength) { json in
      json.literal("{\"id\":\"")
      json.plain(id.text)
      json.literal("\",\"offset\":\"")
      json.offset(offset)
      json.literal("\"}")
    }
  }

  /// Appends the answer to a user whose connections are to be closed.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writeDisconnected(connections: Int) -> Int {
    writeJSON(atMost: 20 + JSONWriter.maximumNumberLength) { json in
      json.literal("{\"connections\":")
      json.number(connections)
      json.literal("}")
    }
  }
}
