import ConnectProtocol
import Redis

package struct MailboxPush {
  /// The previous offset in the mailbox; zero if it is unknown.
  package let previous: Offset
  /// The offset in the mailbox.
  package let offset: Offset
  /// The entry as it is in the mailbox.
  package let payload: Payload

  package init(previous: Offset, offset: Offset, payload: Payload) {
    self.previous = previous
    self.offset = offset
    self.payload = payload
  }

  /// An envelope's bytes, as they were read or as they were rebuilt.
  package enum Payload {
    case read(ReplyBytes)
    case made([UInt8])

    package var count: Int {
      switch self {
      case .read(let bytes): bytes.count
      case .made(let bytes): bytes.count
      }
    }

    package func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
      switch self {
      case .read(let bytes): bytes.withUnsafeBytes(body)
      case .made(let bytes): bytes.withUnsafeBytes(body)
      }
    }
  }
}
