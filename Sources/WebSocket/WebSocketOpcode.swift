/// Kind of a frame, as its header says (RFC 6455 §5.2).
///
/// The reserved values, 3–7 and 11–15, have no case: a frame with one of them is a protocol
/// violation.
@usableFromInline
package enum WebSocketOpcode: UInt8, Sendable, CaseIterable {
  /// A further fragment of the message that an earlier frame began.
  case continuation = 0
  /// A message of UTF-8 text, or its first fragment.
  case text = 1
  /// A message of arbitrary bytes, or its first fragment.
  case binary = 2
  /// The sender will send nothing more; the receiver answers with a close frame of its own.
  case close = 8
  /// The receiver must answer with a pong that carries the same payload.
  case ping = 9
  /// Answers a ping, or is an unsolicited heartbeat.
  case pong = 10

  /// Whether the frame is about the connection, not part of a message: such frames are short, never
  /// fragmented, and may come between the fragments of a message.
  @inlinable
  package var isControl: Bool { rawValue >= WebSocketOpcode.close.rawValue }
}
