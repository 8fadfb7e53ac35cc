import ConnectProtocol
import Redis

/// A stored message for its recipient's devices.
package struct MailboxPush {
  /// The offset before it in the mailbox; zero when that is not known.
  package let previous: Offset
  /// Where it stands in the mailbox.
  package let offset: Offset
  /// The entry as it stands in the mailbox.
  package let payload: Payload

  package init(previous: Offset, offset: Offset, payload: Payload) {
    self.previous = previous
    self.offset = offset
    self.payload = payload
  }

  /// An envelope's bytes, as they were read or as they were made again.
  package enum Payload {
    case read(ReplyBytes)
    case made([UInt8])

    package var count: Int {
      switch self {
      case .read(let bytes): bytes.count
      case .made(let bytes): bytes.count
      }
    }

    package func withUnsafeBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
      switch self {
      case .read(let bytes): bytes.withUnsafeBytes(body)
      case .made(let bytes): bytes.withUnsafeBytes(body)
      }
    }
  }
}
