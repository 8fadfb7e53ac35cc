// WebSocket turns bytes into messages and messages into bytes as RFC 6455 says, for both ends of a
// connection, without any I/O.

import NIOCore

/// Reassembles messages from a byte stream.
///
/// A value, owned by one connection; idle, with nothing received that has not been returned, it
/// holds no heap memory. Feed it with ``append(_:)``, then call ``next()`` until that returns nil.
///
/// It enforces all of RFC 6455 that the frames show: reserved bits and opcodes, masking by role,
/// minimal lengths, the rules for control frames and fragments, close codes and reasons; and its
/// limits, from the length that a header declares, before any of that payload is kept. No extension
/// is supported. One rule is left to the layer above: that a text message is UTF-8 is **not**
/// checked here, since the parser of the text has to look at every byte anyway.
package struct WebSocketDecoder: Sendable {
  /// A whole message or control frame.
  ///
  /// The buffers may be slices of what was appended: to keep a small one for long, copy it.
  package enum Event: Sendable, Equatable {
    /// A text message; whether it is UTF-8 has not been checked.
    case text(ByteBuffer)
    case binary(ByteBuffer)
    /// A ping, at most 125 bytes, to be answered with a pong of the same payload.
    case ping(ByteBuffer)
    /// A pong, at most 125 bytes.
    case pong(ByteBuffer)
    /// The peer's close, always the last event: what follows it is discarded (RFC 6455 §1.4). The
    /// code is nil if the frame is empty, else one that may be sent; the reason is UTF-8.
    case close(code: UInt16?, reason: ByteBuffer)
  }

  /// A message whose last fragment is still to come.
  private struct PartialMessage {
    let opcode: WebSocketOpcode
    var payload: ByteBuffer
    var fragmentCount: Int
  }

  private let role: WebSocketRole
  private let maximumMessageBytes: Int
  private var unread = UnreadBytes()
  private var partial: PartialMessage?
  private var hasEnded = false

  /// Creates a decoder for what the peer of `role` sends.
  ///
  /// - Parameters:
  ///   - role: The role of this end.
  ///   - maximumMessageBytes: The longest message to accept, over all its fragments; at most
  ///     ``WebSocketLimits/greatestMaximumMessageBytes``. Control frames have a limit of their own.
  package init(role: WebSocketRole, maximumMessageBytes: Int) {
    precondition(
      (0...WebSocketLimits.greatestMaximumMessageBytes).contains(maximumMessageBytes),
      "maximumMessageBytes must be from 0 to \(WebSocketLimits.greatestMaximumMessageBytes)")
    self.role = role
    self.maximumMessageBytes = maximumMessageBytes
  }

  /// How many received bytes are held: unread ones and those of an unfinished message.
  ///
  /// Once ``next()`` has returned nil, at most `maximumMessageBytes` and
  /// ``WebSocketLimits/bufferedSlackBytes``.
  package var bufferedBytes: Int {
    unread.count + (partial?.payload.readableBytes ?? 0)
  }

  /// Whether nothing is held, and what comes is not discarded: as a new decoder.
  package var isEmpty: Bool { !hasEnded && unread.count == 0 && partial == nil }

  /// Adds received bytes. When no bytes are pending, takes the buffer over without copying.
  ///
  /// After a close or an error it discards them. Masked bytes are copied once by ``next()`` if the
  /// caller, or the pool that a socket channel reads into, keeps a reference to their storage.
  package mutating func append(_ bytes: consuming ByteBuffer) {
    guard !hasEnded else { return }
    unread.append(bytes)
  }

  /// Returns the next message or control frame, or nil if it needs more bytes.
  ///
  /// A message that came in one frame is a slice of the bytes received, unmasked in place. The
  /// fragments of a message are gathered in one buffer.
  ///
  /// - Throws: What is wrong with the peer's bytes. The decoder is dead then: it has let go of its
  ///   storage, and returns nil ever after.
  package mutating func next() throws(WebSocketError) -> Event? {
    guard !hasEnded else { return nil }
    do throws(WebSocketError) {
      while let header = try unread.header(role: role) {
        try check(header)
        guard unread.count >= header.frameBytes else { break }
        if let event = try receive(header, unread.takePayload(of: header)) { return event }
      }
    } catch {
      end()
      throw error
    }
    unread.shrink()
    return nil
  }

  /// Checks what depends on the message so far: the order of fragments, and the limits.
  private func check(_ header: WebSocketFrameHeader) throws(WebSocketError) {
    if header.opcode.isControl { return }
    guard let partial else {
      guard header.opcode != .continuation else {
        throw WebSocketError(.unexpectedContinuation, "a continuation came without a message")
      }
      return try checkLength(header.payloadBytes, after: 0)
    }
    guard header.opcode == .continuation else {
      throw WebSocketError(.interleavedMessage, "a message began inside a fragmented one")
    }
    guard partial.fragmentCount < WebSocketLimits.maximumFragmentsPerMessage else {
      throw WebSocketError(
        .tooManyFragments,
        "a message has more than \(WebSocketLimits.maximumFragmentsPerMessage) fragments")
    }
    try checkLength(header.payloadBytes, after: partial.payload.readableBytes)
  }

  private func checkLength(_ length: Int, after received: Int) throws(WebSocketError) {
    guard length <= maximumMessageBytes - received else {
      throw WebSocketError(
        .messageTooLarge, "a message is longer than \(maximumMessageBytes) bytes")
    }
  }

  /// Turns one whole, checked frame into an event, unless it is a fragment and not the last.
  private mutating func receive(
    _ header: WebSocketFrameHeader, _ payload: consuming ByteBuffer
  ) throws(WebSocketError) -> Event? {
    switch header.opcode {
    case .ping: return .ping(payload)
    case .pong: return .pong(payload)
    case .close:
      let (code, reason) = try WebSocketClosePayload.parse(payload)
      end()
      return .close(code: code, reason: reason)
    case .text, .binary:
      if header.isFinal { return Self.event(header.opcode, payload) }
      partial = PartialMessage(
        opcode: header.opcode,
        payload: ByteBufferAllocator().buffer(capacity: payload.readableBytes),
        fragmentCount: 1)
      partial?.payload.writeBuffer(&payload)
      return nil
    case .continuation:
      partial?.payload.writeBuffer(&payload)
      partial?.fragmentCount += 1
      guard header.isFinal, let message = partial.take() else { return nil }
      return Self.event(message.opcode, message.payload)
    }
  }

  private static func event(_ opcode: WebSocketOpcode, _ payload: ByteBuffer) -> Event {
    opcode == .text ? .text(payload) : .binary(payload)
  }

  /// Ends decoding for good, and frees all storage.
  private mutating func end() {
    hasEnded = true
    unread.removeAll()
    partial = nil
  }
}
