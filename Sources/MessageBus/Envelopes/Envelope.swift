import ConnectProtocol
import Redis

/// The content of an entry of `incoming` and of a mailbox: one packed field, version 1.
///
/// | bytes | what |
/// | --- | --- |
/// | 1 | version, 1 |
/// | 1 | ``Kind`` |
/// | 1 | ``Flags`` |
/// | 3 | lengths of `from`, `to` and `id`, one byte each |
/// | 16 | only with ``Flags/relocated``: the offset on the bus, two 64-bit big-endian numbers |
/// | … | `from`, `to`, `id`, one after the other |
/// | rest | `body` |
///
/// One field, because Redis pays for each: six cost it 131,000 instructions along a message's whole
/// path, one packed field 90,000.
package struct Envelope: Sendable {
  package enum Kind: UInt8, Sendable {
    /// A message: `body` is the JSON that the sender gave.
    case message = 1
    /// A receipt to the sender: `from` acked, `id` is the device, `body` a JSON array of ids.
    case delivered = 2
    /// A message of `to` that was accepted could not be stored: `from` is its recipient, `id` the
    /// message, `body` a `FailureCode`.
    case failed = 3
  }

  package struct Flags: OptionSet, Sendable {
    /// The byte in the entry. Flags of later releases are kept.
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The sender wants to know when a device acks it.
    package static let receipt = Flags(rawValue: 1 << 0)
    /// The sender's other devices want to see it.
    package static let copy = Flags(rawValue: 1 << 1)
    /// The same message may have been sent before.
    package static let retry = Flags(rawValue: 1 << 2)
    /// Its offset in the mailbox differs from the one on the bus.
    package static let relocated = Flags(rawValue: 1 << 3)
  }

  static let version: UInt8 = 1
  static let headerBytes = 6
  static let originBytes = 16

  package let kind: Kind
  package let flags: Flags
  /// The whole envelope, as it is stored.
  package let bytes: ReplyBytes
  private let fromEnd: Int
  private let toEnd: Int
  private let idEnd: Int

  /// Nil for bytes that are not an envelope of a known version and kind.
  package init?(_ bytes: ReplyBytes) {
    let parsed: (Kind, Flags, Int, Int, Int)? = bytes.withUnsafeBytes { raw in
      guard raw.count >= Self.headerBytes, raw[0] == Self.version, let kind = Kind(rawValue: raw[1])
      else { return nil }
      let flags = Flags(rawValue: raw[2])
      let names = Self.headerBytes + (flags.contains(.relocated) ? Self.originBytes : 0)
      let fromEnd = names + Int(raw[3])
      let toEnd = fromEnd + Int(raw[4])
      let idEnd = toEnd + Int(raw[5])
      guard raw.count >= idEnd, raw[3] > 0, raw[4] > 0, raw[5] > 0 else { return nil }
      return (kind, flags, fromEnd, toEnd, idEnd)
    }
    guard let (kind, flags, fromEnd, toEnd, idEnd) = parsed else { return nil }
    self.kind = kind
    self.flags = flags
    self.bytes = bytes
    self.fromEnd = fromEnd
    self.toEnd = toEnd
    self.idEnd = idEnd
  }

  var namesStart: Int {
    Self.headerBytes + (self.flags.contains(.relocated) ? Self.originBytes : 0)
  }

  package func from(in raw: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: raw[self.namesStart..<self.fromEnd])
  }

  package func to(in raw: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: raw[self.fromEnd..<self.toEnd])
  }

  package func id(in raw: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: raw[self.toEnd..<self.idEnd])
  }

  package func body(in raw: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: raw[self.idEnd...])
  }

  /// Nil if the name is invalid.
  package var recipient: UserName? {
    self.bytes.withUnsafeBytes { UserName(utf8: self.to(in: $0)) }
  }

  /// Nil if the name is invalid.
  package var sender: UserName? {
    self.bytes.withUnsafeBytes { UserName(utf8: self.from(in: $0)) }
  }

  /// The sender's id of the message; nil if it is invalid, which no client can have sent.
  package var messageID: MessageID? {
    self.bytes.withUnsafeBytes { MessageID(utf8: self.id(in: $0)) }
  }

  /// The offset on the bus of an entry that has the offset `offset` in the mailbox.
  package func origin(at offset: Offset) -> Offset {
    guard self.flags.contains(.relocated) else { return offset }
    return self.bytes.withUnsafeBytes { raw in
      Offset(bigEndianBytes: UnsafeRawBufferPointer(rebasing: raw[Self.headerBytes...]))
    }
  }

  /// Whether the same user sent both under the same id.
  package func isRepeat(of other: Envelope) -> Bool {
    self.kind == other.kind
      && self.bytes.withUnsafeBytes { mine in
        other.bytes.withUnsafeBytes { theirs in
          self.from(in: mine).elementsEqual(other.from(in: theirs))
            && self.id(in: mine).elementsEqual(other.id(in: theirs))
        }
      }
  }
}

extension Offset {
  static let packedBytes = 16

  /// Reads two 64-bit big-endian numbers.
  init(bigEndianBytes raw: UnsafeRawBufferPointer) {
    self.init(
      milliseconds: UInt64(bigEndian: raw.loadUnaligned(as: UInt64.self)),
      sequence: UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
  }

  func writeBigEndian(to raw: UnsafeMutableRawBufferPointer, at position: Int) {
    raw.storeBytes(of: self.milliseconds.bigEndian, toByteOffset: position, as: UInt64.self)
    raw.storeBytes(of: self.sequence.bigEndian, toByteOffset: position + 8, as: UInt64.self)
  }
}
