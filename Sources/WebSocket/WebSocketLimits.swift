/// Every limit of the frame codec. The greatest length of a message is the one an operator chooses,
/// so it is an argument of ``WebSocketDecoder/init(role:maximumMessageBytes:)``.
package enum WebSocketLimits {
  /// The longest frame header: 2 bytes, a 64-bit length, and a mask key.
  package static let maximumHeaderBytes = 14

  /// The longest payload of a close, ping or pong (RFC 6455 §5.5).
  package static let maximumControlPayloadBytes = 125

  /// The longest reason of a close: a control payload less the 2 bytes of the code.
  package static let maximumCloseReasonBytes = maximumControlPayloadBytes - 2

  /// How many frames one message may be cut into.
  ///
  /// The size limit cannot stop a peer that sends empty fragments for ever, each of which costs
  /// work but no bytes. A peer that cuts at 4 KiB can still send 4 MiB within this.
  package static let maximumFragmentsPerMessage = 1_024

  /// The greatest `maximumMessageBytes` a decoder takes: 1 GiB. `ByteBuffer` counts in 32 bits and
  /// rounds its storage up to a power of two; this keeps clear of both edges.
  package static let greatestMaximumMessageBytes = 1 << 30

  /// The most that ``WebSocketDecoder/bufferedBytes`` can exceed the message limit by once `next()`
  /// has returned nil: the header of an unfinished frame, or an unfinished control frame that came
  /// between two fragments.
  package static let bufferedSlackBytes = maximumHeaderBytes + maximumControlPayloadBytes

  /// Storage of this size or less is kept for an unfinished frame however few bytes are in it,
  /// since moving them to smaller storage would save next to nothing.
  static let smallStorageBytes = 256

  /// Larger storage is exchanged for smaller when the bytes of an unfinished frame fill less than
  /// one part in this many. Growth doubles the storage, so it stays clear of the exchange.
  static let sparseStorageFactor = 4
}
