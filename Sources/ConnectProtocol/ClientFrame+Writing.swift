import NIOCore

extension ByteBuffer {
  /// Appends a `send` frame.
  ///
  /// `body` must be one JSON value in UTF-8, which `JSONBody.check` makes sure of; the server
  /// rejects the frame otherwise.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writeSend(
    id: MessageID, to: UserName, body: some Collection<UInt8>, receipt: Bool = false,
    copy: Bool = false, quiet: Bool = false, retry: ClientFrame.Retry = .no
  ) -> Int {
    let fast = body.withContiguousStorageIfAvailable {
      writeSend(
        id: id, to: to, rawBody: UnsafeRawBufferPointer($0), receipt: receipt, copy: copy,
        quiet: quiet, retry: retry)
    }
    if let fast { return fast }
    return Array(body).withUnsafeBytes {
      writeSend(
        id: id, to: to, rawBody: $0, receipt: receipt, copy: copy, quiet: quiet, retry: retry)
    }
  }

  private mutating func writeSend(
    id: MessageID, to: UserName, rawBody: UnsafeRawBufferPointer, receipt: Bool, copy: Bool,
    quiet: Bool, retry: ClientFrame.Retry
  ) -> Int {
    let limit =
      120 + JSONWriter.maximumNumberLength + id.text.utf8.count + to.text.utf8.count + rawBody.count
    return writeJSON(atMost: limit) { json in
      json.literal("{\"type\":\"send\",\"id\":\"")
      json.plain(id.text)
      json.literal("\",\"to\":\"")
      json.plain(to.text)
      json.literal("\"")
      if receipt { json.literal(",\"receipt\":true") }
      if copy { json.literal(",\"copy\":true") }
      if quiet { json.literal(",\"quiet\":true") }
      switch retry {
      case .no: break
      case .yes: json.literal(",\"retry\":true")
      case .firstSent(let time):
        json.literal(",\"retry\":")
        json.number(time)
      }
      json.literal(",\"body\":")
      json.raw(rawBody)
      json.literal("}")
    }
  }

  /// Appends an `ack` frame: all up to and including `offset` are handled.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writeAck(_ offset: Offset) -> Int {
    writeJSON(atMost: 40 + Offset.maximumTextLength) { json in
      json.literal("{\"type\":\"ack\",\"offset\":\"")
      json.offset(offset)
      json.literal("\"}")
    }
  }

  /// Appends a `read` frame.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writeRead(_ read: ClientFrame.Read) -> Int {
    let names = read.peer.text.utf8.count + (read.id?.text.utf8.count ?? 0)
    return writeJSON(atMost: 80 + names + Offset.maximumTextLength) { json in
      json.literal("{\"type\":\"read\",\"peer\":\"")
      json.plain(read.peer.text)
      json.literal("\",\"offset\":\"")
      json.offset(read.offset)
      json.literal("\"")
      if read.isPrivate { json.literal(",\"private\":true") }
      if let id = read.id {
        json.literal(",\"id\":\"")
        json.plain(id.text)
        json.literal("\"")
      }
      json.literal("}")
    }
  }

  /// Appends a `ping` frame; the server takes ids of at most `ClientFrame.maximumPingIDLength`
  /// bytes.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writePing(id: String? = nil) -> Int {
    writeJSON(atMost: 40 + JSONWriter.maximumLength(of: id ?? "")) { json in
      json.literal("{\"type\":\"ping\"")
      if let id {
        json.literal(",\"id\":")
        json.string(id)
      }
      json.literal("}")
    }
  }
}
