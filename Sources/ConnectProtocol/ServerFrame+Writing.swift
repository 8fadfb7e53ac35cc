import NIOCore

// What a Gateway writes for every message. These take names, ids and bodies as the bytes they were
// stored as: all have been validated on their way in, so nothing is escaped, and a frame is one
// reservation and a few copies.

extension ByteBuffer {
  /// Appends a `message` frame.
  ///
  /// `from` and `id` must be a user name and a message id, and `body` one JSON value.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writeMessage(
    offset: Offset, from: UnsafeRawBufferPointer, id: UnsafeRawBufferPointer, at: UInt64,
    body: UnsafeRawBufferPointer, quiet: Bool = false
  ) -> Int {
    writeJSON(atMost: 180 + from.count + id.count + body.count) { json in
      json.literal("{\"type\":\"message\",\"offset\":\"")
      json.offset(offset)
      json.literal("\",\"from\":\"")
      json.raw(from)
      json.literal("\",\"id\":\"")
      json.raw(id)
      json.literal("\",\"at\":")
      json.number(at)
      if quiet { json.literal(",\"quiet\":true") }
      json.literal(",\"body\":")
      json.raw(body)
      json.literal("}")
    }
  }

  /// Appends an `accepted` frame; `id` must be a message id.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writeAccepted(id: UnsafeRawBufferPointer, offset: Offset) -> Int {
    writeJSON(atMost: 100 + id.count) { json in
      json.literal("{\"type\":\"accepted\",\"id\":\"")
      json.raw(id)
      json.literal("\",\"offset\":\"")
      json.offset(offset)
      json.literal("\"}")
    }
  }

  /// Appends a `sent` frame.
  ///
  /// `to` and `id` must be a user name and a message id, and `body` one JSON value.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writeSent(
    offset: Offset, peerOffset: Offset, to: UnsafeRawBufferPointer, id: UnsafeRawBufferPointer,
    at: UInt64, body: UnsafeRawBufferPointer, quiet: Bool = false
  ) -> Int {
    writeJSON(atMost: 240 + to.count + id.count + body.count) { json in
      json.literal("{\"type\":\"sent\",\"offset\":\"")
      json.offset(offset)
      json.literal("\",\"peerOffset\":\"")
      json.offset(peerOffset)
      json.literal("\",\"to\":\"")
      json.raw(to)
      json.literal("\",\"id\":\"")
      json.raw(id)
      json.literal("\",\"at\":")
      json.number(at)
      if quiet { json.literal(",\"quiet\":true") }
      json.literal(",\"body\":")
      json.raw(body)
      json.literal("}")
    }
  }

  /// Appends a `position` frame.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writePosition(_ position: ServerFrame.Position) -> Int {
    let names = position.peer.text.utf8.count + (position.id?.text.utf8.count ?? 0)
    let limit =
      140 + names + 4 * Offset.maximumTextLength + JSONWriter.maximumNumberLength
    return writeJSON(atMost: limit) { json in
      json.literal("{\"type\":\"position\",\"peer\":\"")
      json.plain(position.peer.text)
      json.literal("\"")
      json.optionalOffset("delivered", position.delivered)
      json.optionalOffset("read", position.read)
      json.optionalOffset("mine", position.mine)
      json.optionalOffset("floor", position.floor)
      json.optionalID(position.id)
      json.literal(",\"stamp\":")
      json.number(position.stamp)
      json.literal("}")
    }
  }

  /// Appends a `failed` frame: an accepted message could not be stored.
  ///
  /// `to` and `id` must be a user name and a message id.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writeFailed(
    offset: Offset, to: UnsafeRawBufferPointer, id: UnsafeRawBufferPointer, code: FailureCode
  ) -> Int {
    let limit = 160 + to.count + id.count + JSONWriter.maximumLength(of: code.explanation)
    return writeJSON(atMost: limit) { json in
      json.literal("{\"type\":\"failed\",\"offset\":\"")
      json.offset(offset)
      json.literal("\",\"to\":\"")
      json.raw(to)
      json.literal("\",\"id\":\"")
      json.raw(id)
      json.literal("\",\"code\":\"")
      json.plain(code.rawValue)
      json.literal("\",\"message\":")
      json.string(code.explanation)
      json.literal("}")
    }
  }
}
