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
      json.optionalID(read.id)
      json.literal("}")
    }
  }

  /// Appends a `conversations` frame.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writeConversations(_ request: ClientFrame.Conversations) -> Int {
    let before = request.before.map { "\($0)" } ?? ""
    let limit =
      100 + before.utf8.count + JSONWriter.maximumNumberLength + MessageID.maximumLength
    return writeJSON(atMost: limit) { json in
      json.literal("{\"type\":\"conversations\"")
      json.optionalID(request.id)
      json.literal(",\"limit\":")
      json.number(request.limit)
      if !before.isEmpty {
        json.literal(",\"before\":\"")
        json.plain(before)
        json.literal("\"")
      }
      json.literal("}")
    }
  }

  /// Appends a `history` frame.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writeHistory(_ request: ClientFrame.History) -> Int {
    let limit =
      100 + UserName.maximumLength + Offset.maximumTextLength + JSONWriter.maximumNumberLength
      + MessageID.maximumLength
    return writeJSON(atMost: limit) { json in
      json.literal("{\"type\":\"history\"")
      json.optionalID(request.id)
      if let peer = request.peer {
        json.literal(",\"with\":\"")
        json.plain(peer.text)
        json.literal("\"")
      }
      json.optionalOffset("before", request.before)
      json.literal(",\"limit\":")
      json.number(request.limit)
      json.literal("}")
    }
  }

  /// Appends a `signal` frame.
  ///
  /// `body` must be empty or one JSON value in UTF-8 of at most
  /// ``ClientFrame/Signal/maximumBodyBytes``; the server rejects the frame otherwise.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writeSignal(
    to: UserName, name: MessageID, body: [UInt8] = [], id: MessageID? = nil
  ) -> Int {
    let limit = 100 + to.text.utf8.count + 2 * MessageID.maximumLength + body.count
    return writeJSON(atMost: limit) { json in
      json.literal("{\"type\":\"signal\",\"to\":\"")
      json.plain(to.text)
      json.literal("\",\"name\":\"")
      json.plain(name.text)
      json.literal("\"")
      json.optionalID(id)
      if !body.isEmpty {
        json.literal(",\"body\":")
        body.withUnsafeBytes { json.raw($0) }
      }
      json.literal("}")
    }
  }

  /// Appends a `presence` frame.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writePresence(_ request: ClientFrame.Presence) -> Int {
    let names = request.users.reduce(0) { $0 + $1.text.utf8.count + 3 }
    return writeJSON(atMost: 100 + MessageID.maximumLength + names) { json in
      json.literal("{\"type\":\"presence\"")
      json.optionalID(request.id)
      json.literal(",\"users\":[")
      for (index, user) in request.users.enumerated() {
        json.literal(index == 0 ? "\"" : ",\"")
        json.plain(user.text)
        json.literal("\"")
      }
      json.literal("]")
      if request.watch { json.literal(",\"watch\":true") }
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
