import ConnectProtocol
import NIOCore
import Redis

/// Collects deliveries per gateway: messages of one batch for one gateway share an entry.
package struct DeliveryWriter {
  private struct Entry {
    var bytes: ByteBuffer
    var deliveries = 0

    /// An entry without deliveries.
    ///
    /// - Parameter room: in bytes, for the first of them.
    init(room: Int) {
      self.bytes = ByteBuffer()
      self.bytes.reserveCapacity(Delivery.version.bitWidth / 8 + room)
      self.bytes.writeInteger(Delivery.version)
    }

    var isFull: Bool {
      self.deliveries >= BusLimits.deliveriesPerEntry
        || self.bytes.readableBytes >= BusLimits.bytesPerDeliveryEntry
    }
  }

  private struct Target {
    let gateway: InstanceID
    var entries: [Entry] = []

    init(gateway: InstanceID) { self.gateway = gateway }

    mutating func add(
      _ tag: Delivery.Tag, length: Int, _ write: (UnsafeMutableRawBufferPointer) -> Void
    ) {
      let headBytes = MemoryLayout.size(ofValue: tag.rawValue) + MemoryLayout<UInt32>.size
      if self.entries.last?.isFull ?? true {
        self.entries.append(Entry(room: headBytes + length))
      }
      let last = self.entries.count - 1
      self.entries[last].deliveries += 1
      self.entries[last].bytes.writeInteger(tag.rawValue)
      self.entries[last].bytes.writeInteger(UInt32(length))
      self.entries[last].bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { raw in
        write(UnsafeMutableRawBufferPointer(rebasing: raw[..<length]))
        return length
      }
    }
  }

  private let keys: Keys
  /// In the order in which they first occur.
  private var targets: [Target] = []
  /// Where each target is but the first, which is the only one of most batches.
  private var places: [InstanceID: Int] = [:]

  package init(keys: Keys) { self.keys = keys }

  package var isEmpty: Bool { self.targets.isEmpty }

  /// Messages reach each gateway in the order in which they are added.
  package mutating func add(_ push: MailboxPush, for gateway: InstanceID) {
    let length = 2 * Offset.packedBytes + push.payload.count
    self.add(.push, length: length, for: gateway) { raw in
      push.previous.writeBigEndian(to: raw, at: 0)
      push.offset.writeBigEndian(to: raw, at: Offset.packedBytes)
      push.payload.withUnsafeBytes { payload in
        UnsafeMutableRawBufferPointer(rebasing: raw[(2 * Offset.packedBytes)...])
          .copyMemory(from: payload)
      }
    }
  }

  /// Tells a gateway that a row of a user's positions moved.
  package mutating func addPosition(
    of user: UserName, peer: UserName, row: Positions.Row, previous: UInt64, floor: Offset,
    for gateway: InstanceID
  ) {
    let names = Array("\(user.text)\0\(peer.text)".utf8)
    self.add(.position, length: Delivery.positionBytes + names.count, for: gateway) { raw in
      raw.storeBytes(of: previous.bigEndian, as: UInt64.self)
      raw.storeBytes(of: row.stamp.bigEndian, toByteOffset: 8, as: UInt64.self)
      for (index, offset) in [row.delivered, row.read, row.mine, floor].enumerated() {
        offset.writeBigEndian(to: raw, at: 2 * 8 + index * Offset.packedBytes)
      }
      UnsafeMutableRawBufferPointer(rebasing: raw[Delivery.positionBytes...])
        .copyBytes(from: names)
    }
  }

  /// Tells a gateway that a connection was replaced by one elsewhere.
  package mutating func addReplacement(of session: Session, user: UserName) {
    let text = "\(user.text)\0\(session.connection)"
    self.add(.replaced, length: text.utf8.count, for: session.gateway) { raw in
      raw.copyBytes(from: text.utf8)
    }
  }

  /// Tells a gateway to close connections; see ``Delivery/closing(user:device:isErased:)``.
  package mutating func addClosing(
    of user: UserName, device: DeviceName?, isErased: Bool, for gateway: InstanceID
  ) {
    let flags = isErased ? Delivery.erasedFlag : 0
    let bytes = Array("\(user.text)\0\(device?.text ?? "")\0".utf8) + [flags]
    self.add(.closing, length: bytes.count, for: gateway) { $0.copyBytes(from: bytes) }
  }

  /// Passes a signal on; `bytes` are those of
  /// ``Delivery/appendSignal(to:from:name:at:body:into:)``.
  package mutating func addSignal(_ bytes: ByteBufferView, for gateway: InstanceID) {
    self.add(.signal, length: bytes.count, for: gateway) { $0.copyBytes(from: bytes) }
  }

  private mutating func add(
    _ tag: Delivery.Tag, length: Int, for gateway: InstanceID,
    _ write: (UnsafeMutableRawBufferPointer) -> Void
  ) {
    self.targets[self.place(of: gateway)].add(tag, length: length, write)
  }

  private mutating func place(of gateway: InstanceID) -> Int {
    if let first = self.targets.first, first.gateway == gateway { return 0 }
    if let place = self.places[gateway] { return place }
    let place = self.targets.count
    if place > 0 { self.places[gateway] = place }
    self.targets.append(Target(gateway: gateway))
    return place
  }

  /// Appends the entries to the gateways' streams, where these still exist.
  ///
  /// - Returns: for each entry the gateway, and whether its stream exists.
  @discardableResult
  package func write(to batch: inout RedisBatch) -> [(gateway: InstanceID, exists: Reply<Bool>)] {
    var targets: [(gateway: InstanceID, exists: Reply<Bool>)] = []
    for target in self.targets {
      let stream = self.keys.outgoing(target.gateway)
      for entry in target.entries {
        targets.append((target.gateway, Self.appendEntry(entry.bytes, to: stream, &batch)))
      }
    }
    return targets
  }

  /// The gateways that are gone: their streams no longer exist.
  package static func missing(
    among targets: [(gateway: InstanceID, exists: Reply<Bool>)], _ replies: RedisReplies
  ) throws(RedisError) -> Set<InstanceID> {
    var missing: Set<InstanceID> = []
    for (gateway, exists) in targets where try !replies[exists] { missing.insert(gateway) }
    return missing
  }

  /// `XADD` to a stream that exists, with a bound on its length.
  private static func appendEntry(
    _ bytes: ByteBuffer, to stream: RedisKey, _ batch: inout RedisBatch
  ) -> Reply<Bool> {
    batch.append(
      arguments: 9, key: stream, bytes: 48 + stream.byteCount + bytes.readableBytes
    ) { writer in
      writer.bulk("XADD")
      writer.bulk(stream)
      writer.bulk("NOMKSTREAM")
      writer.bulk("MAXLEN")
      writer.bulk("~")
      writer.bulk(BusLimits.outgoingEntries)
      writer.bulk("*")
      writer.bulk(StreamEntry.field)
      writer.bulk(count: bytes.readableBytes) { raw in
        bytes.withUnsafeReadableBytes { raw.copyMemory(from: $0) }
      }
    }.reading { cursor throws(RedisError) in !cursor.isNil }
  }
}
