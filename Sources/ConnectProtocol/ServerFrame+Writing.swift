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
    body: UnsafeRawBufferPointer
  ) -> Int {
    writeJSON(atMost: 160 + from.count + id.count + body.count) { json in
      json.literal("{\"type\":\"message\",\"offset\":\"")
      json.offset(offset)
      json.literal("\",\"from\":\"")
      json.raw(from)
      json.literal("\",\"id\":\"")
      json.raw(id)
      json.literal("\",\"at\":")
      json.number(at)
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

  /// Appends a `delivered` frame.
  ///
  /// `by` and `device` must be a user and a device name, and `idsJSON` a JSON array of message ids.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writeDelivered(
    offset: Offset, by: UnsafeRawBufferPointer, device: UnsafeRawBufferPointer,
    idsJSON: UnsafeRawBufferPointer, at: UInt64
  ) -> Int {
    let limit = 160 + by.count + device.count + idsJSON.count
    return writeJSON(atMost: limit) { json in
      json.literal("{\"type\":\"delivered\",\"offset\":\"")
      json.offset(offset)
      json.literal("\",\"by\":\"")
      json.raw(by)
      json.literal("\",\"device\":\"")
      json.raw(device)
      json.literal("\",\"ids\":")
      json.raw(idsJSON)
      json.literal(",\"at\":")
      json.number(at)
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
