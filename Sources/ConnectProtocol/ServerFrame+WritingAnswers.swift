import NIOCore

// Answers to requests. Entries of the mailbox are written into a buffer of their own as the frames that
// they are, with commas between them, and the buffer becomes a part of the answer.

extension ByteBuffer {
  /// Appends a `conversations` frame.
  ///
  /// - Parameter items: what ``writeConversation(_:last:)`` wrote, with commas between.
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writeConversations(
    id: MessageID?, items: ByteBuffer, next: ConversationCursor?
  ) -> Int {
    let next = next.map { "\($0)" } ?? ""
    return writeJSON(atMost: 120 + MessageID.maximumLength + items.readableBytes) { json in
      json.literal("{\"type\":\"conversations\"")
      json.optionalID(id)
      json.literal(",\"items\":[")
      items.withUnsafeReadableBytes { json.raw($0) }
      json.literal("]")
      if !next.isEmpty {
        json.literal(",\"next\":\"")
        json.plain(next)
        json.literal("\"")
      }
      json.literal("}")
    }
  }

  /// Appends one conversation of the list.
  ///
  /// - Parameters:
  ///   - conversation: its ``ServerFrame/Conversation/last`` is not looked at.
  ///   - last: the frame of the newest message; nil for none.
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writeConversation(
    _ conversation: ServerFrame.Conversation, last: ByteBuffer?
  ) -> Int {
    let limit =
      120 + conversation.peer.text.utf8.count + (last?.readableBytes ?? 0)
      + JSONWriter.maximumNumberLength + 3 * Offset.maximumTextLength
    return writeJSON(atMost: limit) { json in
      json.literal("{\"peer\":\"")
      json.plain(conversation.peer.text)
      json.literal("\",\"unread\":")
      json.number(conversation.unread)
      if conversation.unreadIsMore { json.literal(",\"unreadIsMore\":true") }
      json.optionalOffset("delivered", conversation.delivered)
      json.optionalOffset("read", conversation.read)
      json.optionalOffset("mine", conversation.mine)
      if let last {
        json.literal(",\"last\":")
        last.withUnsafeReadableBytes { json.raw($0) }
      }
      json.literal("}")
    }
  }

  /// Appends a `history` frame.
  ///
  /// - Parameter entries: frames of the mailbox, with commas between.
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writeHistory(
    id: MessageID?, entries: ByteBuffer, next: Offset?, trimmed: Bool
  ) -> Int {
    let limit = 120 + MessageID.maximumLength + entries.readableBytes + Offset.maximumTextLength
    return writeJSON(atMost: limit) { json in
      json.literal("{\"type\":\"history\"")
      json.optionalID(id)
      json.literal(",\"entries\":[")
      entries.withUnsafeReadableBytes { json.raw($0) }
      json.literal("]")
      json.optionalOffset("next", next)
      if trimmed { json.literal(",\"trimmed\":true") }
      json.literal("}")
    }
  }

  /// Appends a `signal` frame.
  ///
  /// `from` and `name` must be a user name and a message id, and `body` empty or one JSON value.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writeSignal(
    from: UnsafeRawBufferPointer, name: UnsafeRawBufferPointer, at: UInt64,
    body: UnsafeRawBufferPointer
  ) -> Int {
    writeJSON(atMost: 120 + from.count + name.count + body.count) { json in
      json.literal("{\"type\":\"signal\",\"from\":\"")
      json.raw(from)
      json.literal("\",\"name\":\"")
      json.raw(name)
      json.literal("\",\"at\":")
      json.number(at)
      if body.count > 0 {
        json.literal(",\"body\":")
        json.raw(body)
      }
      json.literal("}")
    }
  }

  /// Appends a `presence` frame.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writePresence(_ presence: ServerFrame.Presence) -> Int {
    let user = 60 + JSONWriter.maximumNumberLength
    let names = presence.users.keys.reduce(0) { $0 + $1.text.utf8.count + user }
    return writeJSON(atMost: 100 + MessageID.maximumLength + names) { json in
      json.literal("{\"type\":\"presence\"")
      json.optionalID(presence.id)
      json.literal(",\"users\":{")
      for (index, (user, status)) in presence.users.enumerated() {
        json.literal(index == 0 ? "\"" : ",\"")
        json.plain(user.text)
        json.literal("\":{\"online\":")
        json.bool(status.online)
        if let lastSeen = status.lastSeen {
          json.literal(",\"lastSeen\":")
          json.number(lastSeen)
        }
        json.literal("}")
      }
      json.literal("}}")
    }
  }
}
