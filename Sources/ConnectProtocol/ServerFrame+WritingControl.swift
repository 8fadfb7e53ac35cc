import NIOCore

// What a Gateway writes now and then: about the connection, and about single frames.

extension ByteBuffer {
  /// Appends a `welcome` frame.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writeWelcome(_ welcome: ServerFrame.Welcome) -> Int {
    let limit =
      450 + welcome.user.text.utf8.count + welcome.device.text.utf8.count
      + JSONWriter.maximumLength(of: welcome.connection)
      + JSONWriter.maximumLength(of: welcome.gateway) + 9 * JSONWriter.maximumNumberLength
    return writeJSON(atMost: limit) { json in
      json.literal("{\"type\":\"welcome\",\"user\":\"")
      json.plain(welcome.user.text)
      json.literal("\",\"device\":\"")
      json.plain(welcome.device.text)
      json.literal("\",\"connection\":")
      json.string(welcome.connection)
      json.literal(",\"gateway\":")
      json.string(welcome.gateway)
      json.literal(",\"offset\":\"")
      json.offset(welcome.offset)
      json.literal("\",\"gap\":")
      json.bool(welcome.gap)
      json.literal(",\"limits\":{\"frameBytes\":")
      json.number(welcome.limits.frameBytes)
      json.literal(",\"unacked\":")
      json.number(welcome.limits.unacked)
      json.literal(",\"sendsPerSecond\":")
      json.number(welcome.limits.sendsPerSecond)
      json.literal(",\"requestsPerSecond\":")
      json.number(welcome.limits.requestsPerSecond)
      json.literal(",\"signalsPerSecond\":")
      json.number(welcome.limits.signalsPerSecond)
      json.literal("},\"pingSeconds\":")
      json.number(welcome.pingSeconds)
      json.literal(",\"positions\":")
      json.number(welcome.positions)
      json.optionalOffset("floor", welcome.floor)
      json.literal(",\"now\":")
      json.number(welcome.now)
      json.literal(",\"retentionSeconds\":")
      json.number(welcome.retentionSeconds)
      json.literal("}")
    }
  }

  /// Appends a `live` frame: the replay has caught up with `offset`.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writeLive(_ offset: Offset) -> Int {
    writeJSON(atMost: 40 + Offset.maximumTextLength) { json in
      json.literal("{\"type\":\"live\",\"offset\":\"")
      json.offset(offset)
      json.literal("\"}")
    }
  }

  /// Appends a `rejected` frame; whether it is retryable follows from `code`.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writeRejected(
    id: MessageID, code: RejectionCode, message: String, retryAfterMilliseconds: Int? = nil
  ) -> Int {
    let limit = 200 + id.text.utf8.count + JSONWriter.maximumLength(of: message)
    return writeJSON(atMost: limit) { json in
      json.literal("{\"type\":\"rejected\",\"id\":\"")
      json.plain(id.text)
      json.literal("\",\"code\":\"")
      json.plain(code.rawValue)
      json.literal("\",\"message\":")
      json.string(message)
      json.literal(",\"retryable\":")
      json.bool(code.isRetryable)
      if let retryAfterMilliseconds {
        json.literal(",\"retryAfterMs\":")
        json.number(retryAfterMilliseconds)
      }
      json.literal("}")
    }
  }

  /// Appends a `pong` frame with the id of the ping that it answers.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writePong(id: String?) -> Int {
    writeJSON(atMost: 40 + JSONWriter.maximumLength(of: id ?? "")) { json in
      json.literal("{\"type\":\"pong\"")
      if let id {
        json.literal(",\"id\":")
        json.string(id)
      }
      json.literal("}")
    }
  }

  /// Appends a `goodbye` frame, to be followed by a close with `code`.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writeGoodbye(code: CloseCode, reconnectAfterMilliseconds: Int) -> Int {
    writeJSON(atMost: 100) { json in
      json.literal("{\"type\":\"goodbye\",\"code\":")
      json.number(UInt64(code.rawValue))
      json.literal(",\"reconnectAfterMs\":")
      json.number(reconnectAfterMilliseconds)
      json.literal("}")
    }
  }

  /// Appends an `error` frame: the answer to a frame that made no sense.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writeError(code: RejectionCode, message: String) -> Int {
    writeJSON(atMost: 80 + JSONWriter.maximumLength(of: message)) { json in
      json.literal("{\"type\":\"error\",\"code\":\"")
      json.plain(code.rawValue)
      json.literal("\",\"message\":")
      json.string(message)
      json.literal("}")
    }
  }

  /// Appends the one-line JSON body of an HTTP refusal.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writeRefusal(code: RefusalCode, message: String) -> Int {
    self.writeRefusal(code.rawValue, message)
  }

  /// Appends the one-line JSON body of the refusal of a backend's request.
  ///
  /// - Returns: how many bytes were written.
  @discardableResult
  public mutating func writeBackendRefusal(code: BackendCode, message: String) -> Int {
    self.writeRefusal(code.rawValue, message)
  }

  private mutating func writeRefusal(_ code: String, _ message: String) -> Int {
    writeJSON(atMost: 80 + JSONWriter.maximumLength(of: message)) { json in
      json.literal("{\"code\":\"")
      json.plain(code)
      json.literal("\",\"message\":")
      json.string(message)
      json.literal("}")
    }
  }
}
