import ConnectProtocol
import NIOCore
import TestSupport
import WebSocket

extension TestSocket {
  /// An event of the connection.
  package enum Event: Sendable, Equatable {
    case text(String)
    case binary([UInt8])
    case ping([UInt8])
    case pong([UInt8])
    case close(UInt16?, reason: String)
    /// The TCP connection has ended.
    case ended
  }

  // MARK: Sending

  package func sendText(_ text: String) {
    var frame = ByteBuffer()
    frame.writeWebSocketFrame(.text, maskKey: .random(in: 0 ... .max)) { $0.writeString(text) }
    self.channel.writeAndFlush(frame, promise: nil)
  }

  package func send(_ frames: RawFrame...) { self.sendRaw(frames.flatMap(\.bytes)) }

  /// Sends a `send`.
  ///
  /// - Parameters:
  ///   - body: JSON.
  ///   - also: further fields, each with a comma before it.
  package func sendMessage(_ id: String, to user: String, body: String = "1", also: String = "") {
    self.sendText(#"{"type":"send","id":"\#(id)","to":"\#(user)","body":\#(body)\#(also)}"#)
  }

  package func ack(_ offset: Offset) {
    self.sendText(#"{"type":"ack","offset":"\#(offset)"}"#)
  }

  /// Sends a close, after which neither pings nor closes are answered.
  package func sendClose(_ code: UInt16) {
    self.channel.eventLoop.execute { [inbox] in inbox.value.hasSentClose = true }
    self.send(RawFrame(opcode: 8, payload: [UInt8(code >> 8), UInt8(truncatingIfNeeded: code)]))
  }

  // MARK: Receiving

  /// The next message or control frame, or the end.
  package func next(
    _ what: String = "frame", within wait: Duration = TestWaits.usual
  ) async throws -> Event {
    try await self.wait(for: what, within: wait) { received in
      if let event = received.events.popFirst() { return Event(event) }
      if let violation = received.violation {
        throw TestFailure("the server broke RFC 6455: \(violation)")
      }
      return received.hasEnded ? .ended : nil
    }
  }

  /// The next event, which must be what `read` takes.
  private func expect<Value: Sendable>(
    _ what: String, _ read: (Event) -> Value?
  ) async throws -> Value {
    let event = try await self.next(what)
    guard let value = read(event) else {
      throw TestFailure("expected \(what), got \(event)")
    }
    return value
  }

  /// The next event, which must be a text message that is a frame of the protocol.
  package func expectFrame(_ what: String = "frame") async throws -> ReceivedFrame {
    let text = try await self.expect(what) { event in
      if case .text(let text) = event { text } else { nil }
    }
    return try ReceivedFrame(text)
  }

  /// The next event, which must be a frame of this `type`.
  package func expectFrame(type: String) async throws -> ReceivedFrame {
    let frame = try await self.expectFrame(type)
    guard frame.type == type else {
      throw TestFailure("expected \(type), got \(frame.text)")
    }
    return frame
  }

  /// The next frame, which must be `welcome`.
  @discardableResult
  package func expectWelcome() async throws -> ServerFrame.Welcome {
    let frame = try await self.expectFrame(type: "welcome")
    guard case .welcome(let welcome) = frame.frame else { throw frame.misread }
    return welcome
  }

  /// The next frame, which must be `live`.
  @discardableResult
  package func expectLive() async throws -> Offset {
    let frame = try await self.expectFrame(type: "live")
    guard case .live(let offset) = frame.frame else { throw frame.misread }
    return offset
  }

  /// The next frame, which must be `message`.
  @discardableResult
  package func expectMessage() async throws -> ReceivedMessage {
    let frame = try await self.expectFrame(type: "message")
    guard case .message(let message) = frame.frame else { throw frame.misread }
    return ReceivedMessage(
      offset: message.offset, from: message.from.text, id: message.id.text, at: message.at,
      body: frame.part(message.body))
  }

  /// The next frame, which must be `sent`.
  @discardableResult
  package func expectSent() async throws -> ReceivedCopy {
    let frame = try await self.expectFrame(type: "sent")
    guard case .sent(let sent) = frame.frame else { throw frame.misread }
    return ReceivedCopy(
      offset: sent.offset, peerOffset: sent.peerOffset, to: sent.to.text, id: sent.id.text,
      at: sent.at, body: frame.part(sent.body), quiet: sent.quiet)
  }

  /// The next frame, which must be `position`.
  @discardableResult
  package func expectPosition() async throws -> ServerFrame.Position {
    let frame = try await self.expectFrame(type: "position")
    guard case .position(let position) = frame.frame else { throw frame.misread }
    return position
  }

  /// The next frame, which must be `accepted` for this id.
  @discardableResult
  package func expectAccepted(_ expected: String) async throws -> Offset {
    let frame = try await self.expectFrame(type: "accepted")
    guard case .accepted(let id, let offset) = frame.frame, id.text == expected else {
      throw TestFailure("expected accepted for \(expected), got \(frame.text)")
    }
    return offset
  }

  /// The next two frames, in either order, since they take different ways: `accepted` for this id, and what it brings
  /// the sender.
  ///
  /// - Returns: the latter, which must be of this `type`.
  @discardableResult
  package func expectAccepted(_ expected: String, and type: String) async throws -> ReceivedFrame {
    let frames = [try await self.expectFrame(), try await self.expectFrame()]
    guard
      frames.contains(where: {
        if case .accepted(let id, _) = $0.frame { id.text == expected } else { false }
      }),
      let other = frames.first(where: { $0.type == type })
    else {
      let got = frames.map(\.text).joined(separator: " and ")
      throw TestFailure("expected accepted for \(expected) and \(type), got \(got)")
    }
    return other
  }

  /// The next frame, which must be `rejected` for this id.
  package func expectRejected(_ expected: String) async throws -> ServerFrame.Rejected {
    let frame = try await self.expectFrame(type: "rejected")
    guard case .rejected(let rejected) = frame.frame, rejected.id.text == expected else {
      throw TestFailure("expected rejected for \(expected), got \(frame.text)")
    }
    return rejected
  }

  /// The next frame, which must be `error`.
  ///
  /// - Returns: its code.
  @discardableResult
  package func expectError() async throws -> String {
    let frame = try await self.expectFrame(type: "error")
    guard case .error(let code, _) = frame.frame else { throw frame.misread }
    return code
  }

  /// The next event, which must be a close with this code, and nothing but the end after it.
  ///
  /// - Returns: its reason.
  @discardableResult
  package func expectClose(_ expected: UInt16) async throws -> String {
    let reason = try await self.expectCloseFrame(expected)
    try await self.expectNothingMore()
    return reason
  }

  /// The next event, which must be a close with this code.
  ///
  /// - Returns: its reason.
  @discardableResult
  package func expectCloseFrame(_ expected: UInt16) async throws -> String {
    try await self.expect("close with \(expected)") { event in
      if case .close(expected, let reason) = event { reason } else { nil }
    }
  }

  /// Waits for the end of the connection; nothing else may come before it.
  package func expectNothingMore() async throws {
    _ = try await self.expect("end and nothing before it") { $0 == .ended ? true : nil }
  }

  /// Shows that the connection is open and that nothing else has come: a ping is answered next.
  package func expectOpen() async throws {
    let id = "\(UInt64.random(in: 0 ... .max))"
    self.sendText(#"{"type":"ping","id":"\#(id)"}"#)
    let frame = try await self.expectFrame(type: "pong")
    guard case .pong(id) = frame.frame else { throw frame.misread }
  }
}

/// A text message that is a frame of the protocol.
package struct ReceivedFrame: Sendable {
  /// As it came.
  package let text: String
  /// As a client reads it.
  package let frame: ServerFrame

  init(_ text: String) throws {
    self.text = text
    do {
      self.frame = try Array(text.utf8).withUnsafeBytes { try ServerFrame.scan($0) }
    } catch {
      throw TestFailure("a frame that no client can read (\(error)): \(text)")
    }
  }

  package var type: String {
    switch self.frame {
    case .welcome: "welcome"
    case .live: "live"
    case .message: "message"
    case .sent: "sent"
    case .position: "position"
    case .accepted: "accepted"
    case .rejected: "rejected"
    case .pong: "pong"
    case .goodbye: "goodbye"
    case .error: "error"
    case .unknown(let type, _): type
    case .failed: "failed"
    case .conversations: "conversations"
    case .history: "history"
    case .signal: "signal"
    case .presence: "presence"
    }
  }

  func part(_ range: Range<Int>) -> String {
    String(decoding: Array(self.text.utf8)[range], as: UTF8.self)
  }

  var misread: TestFailure { TestFailure("not what was expected: \(self.text)") }
}

/// A `message`, with its body as it came.
package struct ReceivedMessage: Sendable, Hashable {
  /// Its place in the mailbox.
  package let offset: Offset
  /// The sender.
  package let from: String
  /// The sender's id for it.
  package let id: String
  /// When it was taken, in milliseconds since 1970.
  package let at: UInt64
  /// One JSON value, byte for byte.
  package let body: String
}

/// A `sent`, with its body as it came.
package struct ReceivedCopy: Sendable, Hashable {
  /// Its place in the sender's mailbox.
  package let offset: Offset
  /// Its place in the recipient's mailbox.
  package let peerOffset: Offset
  package let to: String
  package let id: String
  /// When it was taken, in milliseconds since 1970.
  package let at: UInt64
  package let body: String
  package let quiet: Bool
}

extension TestSocket.Event {
  init(_ event: WebSocketDecoder.Event) {
    switch event {
    case .text(let payload): self = .text(String(buffer: payload))
    case .binary(let payload): self = .binary(Array(buffer: payload))
    case .ping(let payload): self = .ping(Array(buffer: payload))
    case .pong(let payload): self = .pong(Array(buffer: payload))
    case .close(let code, let reason): self = .close(code, reason: String(buffer: reason))
    }
  }
}
