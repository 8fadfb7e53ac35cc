/// Why the peer's bytes cannot be decoded further, with the code to close the connection with.
package struct WebSocketError: Error, Sendable, Equatable, CustomStringConvertible {
  /// A closed set, so fit for a metric's label.
  package enum Kind: String, Sendable, CaseIterable {
    /// A reserved bit is set, though no extension was negotiated.
    case reservedBits
    /// RFC 6455 reserves the opcode.
    case unknownOpcode
    /// A client's frame is unmasked, or a server's is masked.
    case masking
    /// A length is not encoded in the fewest bytes, or has its top bit set.
    case lengthEncoding
    /// A close, ping or pong is fragmented.
    case fragmentedControl
    /// A close, ping or pong declares more than 125 bytes.
    case oversizedControl
    /// A continuation came without a message to continue.
    case unexpectedContinuation
    /// A new message began inside a fragmented one.
    case interleavedMessage
    /// A close frame's payload has one byte, or a code that may not be sent.
    case invalidCloseCode
    /// A close frame's reason is not UTF-8.
    case invalidCloseReason
    /// A message declares more bytes than the limit.
    case messageTooLarge
    case tooManyFragments
  }

  package let kind: Kind

  /// The reason, in words that are safe to send as the close frame's reason: it quotes numbers of
  /// the header, never the payload.
  package let message: String

  package init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  /// The status code to close with: 1002 for a violation of the protocol, 1007 for a close reason
  /// that is not UTF-8, 1009 for a message over a limit.
  package var closeCode: UInt16 {
    switch kind {
    case .reservedBits, .unknownOpcode, .masking, .lengthEncoding, .fragmentedControl,
      .oversizedControl, .unexpectedContinuation, .interleavedMessage, .invalidCloseCode:
      1002
    case .invalidCloseReason: 1007
    case .messageTooLarge, .tooManyFragments: 1009
    }
  }

  package var description: String { "\(closeCode): \(message)" }
}
