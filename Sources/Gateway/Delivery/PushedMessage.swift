import ConnectProtocol
import MessageBus
import NIOCore
import WebSocket

/// A message on its way to sockets, already as the frame that goes out.
///
/// Frames of a server are not masked, so one frame serves all devices of a user.
struct PushedMessage: Sendable {
  let user: UserName
  let previous: Offset
  let offset: Offset
  let frame: ByteBuffer
  /// The sender, if it asks for a receipt.
  let receipt: UserName?
  /// If it is a copy: the whole of it.
  let copy: Envelope?

  /// Time on the bus, in nanoseconds: from Redis's clock to ours.
  func age() -> Int64 {
    let seconds = SystemClock.secondsSince1970() - Double(self.offset.milliseconds) / 1_000
    return Int64(max(0, seconds) * 1e9)
  }
}

extension ByteBuffer {
  /// Appends the WebSocket frame that delivers a mailbox entry.
  mutating func writeMailboxEntry(_ entry: Mailbox.Entry, _ envelope: Envelope) {
    self.writeWebSocketFrame(.text) { $0.writeEntry(entry, envelope) }
  }

  /// Appends the JSON of a mailbox entry, the same wherever a client gets it.
  mutating func writeEntry(_ entry: Mailbox.Entry, _ envelope: Envelope) {
    envelope.bytes.withUnsafeBytes { raw in
      switch envelope.kind {
      case .message:
        _ = self.writeMessage(
          offset: entry.offset, from: envelope.from(in: raw), id: envelope.id(in: raw),
          at: entry.sentAtMilliseconds, body: envelope.body(in: raw),
          quiet: envelope.flags.contains(.quiet))
      case .sent:
        guard let original = envelope.original else { return }
        _ = self.writeSent(
          offset: entry.offset, peerOffset: original.peerOffset, to: envelope.from(in: raw),
          id: envelope.id(in: raw), at: original.at, body: envelope.body(in: raw),
          quiet: envelope.flags.contains(.quiet))
      case .position, .formerReceipt:
        preconditionFailure("a client is told of neither as an entry of the mailbox")
      case .failed:
        _ = self.writeFailed(
          offset: entry.offset, to: envelope.from(in: raw), id: envelope.id(in: raw),
          // A code of a newer messaging is at least a failure.
          code: FailureCode(rawValue: String(decoding: envelope.body(in: raw), as: UTF8.self))
            ?? .unprocessable)
      }
    }
  }
}

extension Envelope {
  /// Whether a client is told of it as an entry of the mailbox.
  var isForClients: Bool {
    switch self.kind {
    case .message, .failed, .sent: true
    case .position, .formerReceipt: false
    }
  }

  /// The sender, if it asks for a receipt.
  var receiptFor: UserName? {
    guard self.kind == .message, self.flags.contains(.receipt), !self.isToOneself else {
      return nil
    }
    return self.sender
  }
}
