import ConnectProtocol
import Redis

/// The content of an entry of `incoming` and of a mailbox: one packed field.
///
/// | bytes | what |
/// | --- | --- |
/// | 1 | version: 1, or 2 with ``Flags/dated`` |
/// | 1 | ``Kind`` |
/// | 1 | ``Flags`` |
/// | 3 | lengths of `from`, `to` and `id`, one byte each |
/// | 16 | only with ``Flags/relocated``: the offset on the bus, two 64-bit big-endian numbers |
/// | 8 | only with ``Flags/dated``: when it was first sent, a 64-bit big-endian number of milliseconds |
/// | … | `from`, `to`, `id`, one after the other |
/// | 24 | only of ``Kind/sent``: the place in the recipient's mailbox, and the time in milliseconds |
/// | 32 | only of ``Kind/position``: the offsets of ``Position`` |
/// | rest | `body` |
///
/// One field, because Redis pays for each: six cost it 131,000 instructions along a message's whole
/// path, one packed field 90,000.
package struct Envelope: Sendable {
  package enum Kind: UInt8, Sendable {
    /// A message: `body` is the JSON that the sender gave.
    case message = 1
    /// A receipt of releases before 0.4, to be passed over.
    case formerReceipt = 2
    /// A message of `to` that was accepted could not be stored: `from` is its recipient, `id` the
    /// message, `body` a `FailureCode`.
    case failed = 3
    /// How far `from` has the messages of `to`: for the positions of `to`, not for a mailbox. No `id`.
    case position = 4
    /// A copy of a message that `to` sent: `from` is its recipient, `id` the message.
    case sent = 5
  }

  package struct Flags: OptionSet, Sendable {
    /// The byte in the entry. Flags of later releases are kept.
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The sender wants to know when it is delivered.
    package static let receipt = Flags(rawValue: 1 << 0)
    /// The sender's devices want to see it.
    package static let copy = Flags(rawValue: 1 << 1)
    /// The same message may have been sent before.
    package static let retry = Flags(rawValue: 1 << 2)
    /// Its offset in the mailbox differs from the one on the bus.
    package static let relocated = Flags(rawValue: 1 << 3)
    /// It counts as unread nowhere.
    package static let quiet = Flags(rawValue: 1 << 4)
    /// It says when it was first sent. On the bus only.
    package static let dated = Flags(rawValue: 1 << 5)
    /// A copy of a message that is in no mailbox: its failure follows, and this revokes none before it.
    package static let unstored = Flags(rawValue: 1 << 6)
  }

  /// How far a user has the messages of another one: offsets in that user's mailbox, zero for none.
  package struct Position: Hashable, Sendable {
    /// A device has acked up to here.
    package var delivered: Offset
    /// The user has read up to here.
    package var read: Offset

    package init(delivered: Offset = .zero, read: Offset = .zero) {
      self.delivered = delivered
      self.read = read
    }
  }

  /// Releases before 0.4 would take a date for a part of the names: of an unknown version, they set the
  /// entry aside.
  static func version(_ flags: Flags) -> UInt8 { flags.contains(.dated) ? 2 : 1 }

  static let headerBytes = 6
  static let originBytes = 16
  static let dateBytes = 8
  static let copyBytes = Offset.packedBytes + 8
  static let positionBytes = 2 * Offset.packedBytes

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
      guard raw.count >= Self.headerBytes, let kind = Kind(rawValue: raw[1]) else { return nil }
      let flags = Flags(rawValue: raw[2])
      guard raw[0] == Self.version(flags) else { return nil }
      let fromEnd = Self.namesStart(flags) + Int(raw[3])
      let toEnd = fromEnd + Int(raw[4])
      let idEnd = toEnd + Int(raw[5])
      guard raw.count >= idEnd + kind.prefixBytes, raw[3] > 0, raw[4] > 0,
        raw[5] > 0 || kind == .position
      else { return nil }
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

  private static func namesStart(_ flags: Flags) -> Int {
    Self.headerBytes + (flags.contains(.relocated) ? Self.originBytes : 0)
      + (flags.contains(.dated) ? Self.dateBytes : 0)
  }

  var namesStart: Int { Self.namesStart(self.flags) }

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
    UnsafeRawBufferPointer(rebasing: raw[(self.idEnd + self.kind.prefixBytes)...])
  }

  /// When a message was first sent, in milliseconds since 1970, if it says so.
  package var firstSent: UInt64? {
    guard self.flags.contains(.dated) else { return nil }
    return self.bytes.withUnsafeBytes {
      $0.bigEndian(at: self.namesStart - Self.dateBytes)
    }
  }

  /// The place in the recipient's mailbox of the message that this is a copy of, and when that was sent,
  /// in milliseconds since 1970; nil if this is not a copy.
  package var original: (peerOffset: Offset, at: UInt64)? {
    guard self.kind == .sent else { return nil }
    return self.bytes.withUnsafeBytes { raw in
      (
        Offset(bigEndianBytes: UnsafeRawBufferPointer(rebasing: raw[self.idEnd...])),
        raw.bigEndian(at: self.idEnd + Offset.packedBytes)
      )
    }
  }

  /// What a ``Kind/position`` says; nil for other kinds.
  package var position: Position? {
    guard self.kind == .position else { return nil }
    return self.bytes.withUnsafeBytes { raw in
      Position(
        delivered: Offset(bigEndianBytes: UnsafeRawBufferPointer(rebasing: raw[self.idEnd...])),
        read: Offset(
          bigEndianBytes: UnsafeRawBufferPointer(
            rebasing: raw[(self.idEnd + Offset.packedBytes)...])))
    }
  }

  /// Nil if the name is invalid.
  package var recipient: UserName? {
    self.bytes.withUnsafeBytes { UserName(utf8: self.to(in: $0)) }
  }

  /// Whether its sender is its recipient.
  package var isToOneself: Bool {
    self.bytes.withUnsafeBytes { self.from(in: $0).elementsEqual(self.to(in: $0)) }
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

  /// Whether the same user sent both under the same id. Of copies, whether both are of the same place in
  /// the recipient's mailbox, too.
  package func isRepeat(of other: Envelope) -> Bool {
    self.kind == other.kind && self.original?.peerOffset == other.original?.peerOffset
      && self.hasNames(of: other)
  }

  /// Whether it says that a message could not be stored, and `other` is a copy that revokes this.
  package func isRevoked(by other: Envelope) -> Bool {
    self.kind == .failed && other.kind == .sent && !other.flags.contains(.unstored)
      && self.hasNames(of: other)
  }

  private func hasNames(of other: Envelope) -> Bool {
    self.bytes.withUnsafeBytes { mine in
      other.bytes.withUnsafeBytes { theirs in
        self.from(in: mine).elementsEqual(other.from(in: theirs))
          && self.id(in: mine).elementsEqual(other.id(in: theirs))
      }
    }
  }
}

extension Envelope.Kind {
  /// The bytes between the names and the body.
  fileprivate var prefixBytes: Int {
    switch self {
    case .message, .formerReceipt, .failed: 0
    case .position: Envelope.positionBytes
    case .sent: Envelope.copyBytes
    }
  }
}

extension UnsafeRawBufferPointer {
  fileprivate func bigEndian(at position: Int) -> UInt64 {
    UInt64(bigEndian: self.loadUnaligned(fromByteOffset: position, as: UInt64.self))
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
