import ConnectProtocol
import Foundation
import MessageBus
import NIOCore

/// The users of the drivers, their messages, and these as bytes. All names of a kind are equally long.
enum CostUsers {
  static func sender(_ number: Int) -> UserName { UserName("sender-\(Self.digits(number))")! }

  static func recipient(_ number: Int) -> UserName { UserName("recipient-\(Self.digits(number))")! }

  /// Two digits, which end the names, and by which ``CostRedis`` knows mailboxes.
  private static func digits(_ number: Int) -> String {
    precondition((0..<CostLimits.batch).contains(number))
    return number < 10 ? "0\(number)" : "\(number)"
  }

  static let message = MessageID("message-0001")!

  /// One JSON value of ``CostLimits/bodyBytes`` bytes.
  static let body = Array("\"\(String(repeating: "b", count: CostLimits.bodyBytes - 2))\"".utf8)

  static func offset(_ number: Int) -> Offset {
    Offset(milliseconds: CostLimits.firstOffsetMilliseconds + UInt64(number), sequence: 0)
  }

  /// The message to a user as it stands on the bus and in the mailbox.
  static func envelope(to number: Int) -> [UInt8] {
    Self.body.withUnsafeBytes { body in
      let draft = Envelope.Draft.message(
        from: Self.sender(number), to: Self.recipient(number), id: Self.message, flags: [],
        body: body)
      return [UInt8](unsafeUninitializedCapacity: draft.byteCount) { bytes, count in
        draft.write(to: UnsafeMutableRawBufferPointer(bytes))
        count = draft.byteCount
      }
    }
  }
}

extension ByteBuffer {
  /// What ``setMilliseconds(of:at:)`` expects: the digits of an offset of sequence 0.
  static let offsetDigits = 13

  /// Overwrites the digits of an offset's milliseconds.
  mutating func setMilliseconds(of number: Int, at position: Int) {
    self.withUnsafeMutableReadableBytes { raw in
      var rest = CostLimits.firstOffsetMilliseconds + UInt64(number)
      var index = position + Self.offsetDigits
      while index > position {
        index -= 1
        raw[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
        rest /= 10
      }
    }
  }

  /// Appends `$…` with its bytes, as RESP has it.
  mutating func writeBulk(_ bytes: some Collection<UInt8>) {
    self.writeString("$\(bytes.count)\r\n")
    self.writeBytes(bytes)
    self.writeString("\r\n")
  }
}
