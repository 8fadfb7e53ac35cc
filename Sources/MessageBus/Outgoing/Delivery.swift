import ConnectProtocol
import NIOCore
import Redis

/// The content of an entry of an `outgoing` stream, for a gateway: one packed field, version 1.
///
/// After the version byte, one after the other: a byte that says which, the length of the rest as a
/// 32-bit big-endian number, and the rest. A push is the offset before it and its own, 16 bytes
/// each, then the envelope; a position is the stamp before it as a 64-bit big-endian number, its own, the
/// offsets of the row and of the floor, 16 bytes each, the user's name, a zero byte, and the peer; a replacement is the user's name, a zero byte, and the connection; a
/// closing is the user's name, a zero byte, the device (nothing for all of them), a zero byte, and
/// a byte of flags, of which 1 says that the user is erased; a signal is its time as a 64-bit
/// big-endian number, the recipient, the sender and its name, a zero byte behind each, and the body. A
/// gateway leaves out what it does not know.
package enum Delivery: Sendable {
  /// A message for a user's devices. `previous` is the offset before it in the mailbox; zero when
  /// that is not known.
  case push(previous: Offset, offset: Offset, envelope: Envelope)
  /// A row of the positions of `user`. `previous` is the stamp before it.
  case position(user: UserName, peer: UserName, row: Positions.Row, previous: UInt64, floor: Offset)
  /// A device of `user` connected elsewhere: the older connection must be closed.
  case replaced(user: UserName, connection: String)
  /// The connections of `user` must go, or that of one device. With `isErased`, nothing is stored
  /// any more of where they were.
  case closing(user: UserName, device: DeviceName?, isErased: Bool)
  /// Something for the devices of `user` that are connected now. `at` is when it was taken, by the bus's
  /// clock, in milliseconds since 1970; the body is one JSON value, or empty.
  case signal(user: UserName, from: UserName, name: MessageID, at: UInt64, body: ReplyBytes)

  enum Tag: UInt8 {
    case push = 1
    case replaced = 2
    case closing = 3
    case position = 4
    case signal = 5
  }

  static let version: UInt8 = 1
  static let headerBytes = 5

  /// Reads all deliveries of an entry.
  ///
  /// Leaves out what it cannot read: a push is only a hint, and the look into the mailbox with each
  /// ping finds what it would have brought.
  package static func list(_ bytes: ReplyBytes) -> [Delivery] {
    bytes.withUnsafeBytes { raw in
      guard raw.first == Self.version else { return [] }
      var deliveries: [Delivery] = []
      var position = 1
      while position + Self.headerBytes <= raw.count {
        let length = Int(
          UInt32(bigEndian: raw.loadUnaligned(fromByteOffset: position + 1, as: UInt32.self)))
        let start = position + Self.headerBytes
        guard start + length <= raw.count else { break }
        let range = start..<start + length
        let delivery: Delivery? =
          switch Tag(rawValue: raw[position]) {
          case .push: Self.push(bytes[range])
          case .replaced: Self.replaced(UnsafeRawBufferPointer(rebasing: raw[range]))
          case .closing: Self.closing(UnsafeRawBufferPointer(rebasing: raw[range]))
          case .position: Self.position(UnsafeRawBufferPointer(rebasing: raw[range]))
          case .signal: Self.signal(bytes[range])
          case nil: nil
          }
        if let delivery { deliveries.append(delivery) }
        position = range.upperBound
      }
      return deliveries
    }
  }

  private static func push(_ bytes: ReplyBytes) -> Delivery? {
    let offsets = 2 * Offset.packedBytes
    guard bytes.count > offsets, let envelope = Envelope(bytes[offsets..<bytes.count]) else {
      return nil
    }
    return bytes.withUnsafeBytes { raw in
      .push(
        previous: Offset(bigEndianBytes: raw),
        offset: Offset(
          bigEndianBytes: UnsafeRawBufferPointer(rebasing: raw[Offset.packedBytes...])),
        envelope: envelope)
    }
  }

  static let positionBytes = 2 * 8 + 4 * Offset.packedBytes

  private static func position(_ raw: UnsafeRawBufferPointer) -> Delivery? {
    guard raw.count > Self.positionBytes else { return nil }
    let names = raw[Self.positionBytes...].split(
      separator: 0, maxSplits: 1, omittingEmptySubsequences: false
    ).map(UnsafeRawBufferPointer.init(rebasing:))
    guard names.count == 2, let user = UserName(utf8: names[0]), let peer = UserName(utf8: names[1])
    else { return nil }
    func stamp(_ index: Int) -> UInt64 {
      UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self))
    }
    func offset(_ index: Int) -> Offset {
      let start = 2 * 8 + index * Offset.packedBytes
      return Offset(bigEndianBytes: UnsafeRawBufferPointer(rebasing: raw[start...]))
    }
    let row = Positions.Row(
      delivered: offset(0), read: offset(1), mine: offset(2), stamp: stamp(1))
    return .position(user: user, peer: peer, row: row, previous: stamp(0), floor: offset(3))
  }

  private static func replaced(_ raw: UnsafeRawBufferPointer) -> Delivery? {
    guard let zero = raw.firstIndex(of: 0),
      let user = UserName(utf8: UnsafeRawBufferPointer(rebasing: raw[..<zero]))
    else { return nil }
    return .replaced(
      user: user, connection: String(decoding: raw[(zero + 1)...], as: UTF8.self))
  }

  /// Appends a signal as a gateway is told it; see ``DeliveryWriter/addSignal(_:for:)``.
  package static func appendSignal(
    to user: UserName, from: UserName, name: MessageID, at: UInt64, body: UnsafeRawBufferPointer,
    into buffer: inout ByteBuffer
  ) {
    buffer.writeInteger(at)
    for text in [user.text, from.text, name.text] {
      buffer.writeString(text)
      buffer.writeInteger(0 as UInt8)
    }
    buffer.writeBytes(body)
  }

  private static func signal(_ bytes: ReplyBytes) -> Delivery? {
    bytes.withUnsafeBytes { raw in
      let names = raw.dropFirst(8).split(
        separator: 0, maxSplits: 3, omittingEmptySubsequences: false)
      guard names.count == 4,
        let user = UserName(utf8: UnsafeRawBufferPointer(rebasing: names[0])),
        let from = UserName(utf8: UnsafeRawBufferPointer(rebasing: names[1])),
        let name = MessageID(utf8: UnsafeRawBufferPointer(rebasing: names[2]))
      else { return nil }
      return .signal(
        user: user, from: from, name: name,
        at: UInt64(bigEndian: raw.loadUnaligned(as: UInt64.self)),
        body: bytes[names[3].startIndex..<bytes.count])
    }
  }

  static let erasedFlag: UInt8 = 1

  private static func closing(_ raw: UnsafeRawBufferPointer) -> Delivery? {
    let parts = raw.split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
      .map(UnsafeRawBufferPointer.init(rebasing:))
    guard parts.count == 3, let user = UserName(utf8: parts[0]), let flags = parts[2].first
    else { return nil }
    let device = DeviceName(utf8: parts[1])
    // A device of a form that is not known is not all devices.
    guard device != nil || parts[1].isEmpty else { return nil }
    return .closing(user: user, device: device, isErased: flags & Self.erasedFlag != 0)
  }
}
