import ConnectProtocol
import Redis

/// How far each device of a user has acked: one hash per user, a field per device.
///
/// A field's value is `<offset> <seconds>`: the last acked offset, and when the device was last
/// seen, in seconds since 1970. Written late, a cursor only causes a replay that the client
/// recognises. A device that has a field holds back the trimming of what it has not acked, until it
/// was not seen for the retention; see `Scripts/trim_mailbox.lua`.
package enum Cursors {
  /// Holds the highest offset that retention has removed. No device name contains `!`.
  package static let removedField = "!removed"
  /// Present if a device of the user was ever displaced by another.
  package static let displacedField = "!displaced"

  /// A device's place in its mailbox.
  package struct Position: Sendable, Hashable {
    /// The last acked offset; zero for a device that never acked.
    package let acked: Offset
    /// The highest offset that retention has removed; zero if none.
    package let removed: Offset
    /// When the device was last seen, in seconds since 1970: nil if it is not known, 0 if its field
    /// does not say.
    package let seenSeconds: UInt64?
    /// Whether devices of the user were displaced, so that an unknown device may be one of them.
    let hasDisplaced: Bool
    private let hasRemoved: Bool

    init(acked: Offset, removed: Offset?, seenSeconds: UInt64?, hasDisplaced: Bool) {
      self.acked = acked
      self.removed = removed ?? .zero
      self.seenSeconds = seenSeconds
      self.hasDisplaced = hasDisplaced
      self.hasRemoved = removed != nil
    }

    /// Whether the device may miss messages: retention has removed some that it never acked, or it was
    /// displaced by others, and nothing was held back for it since.
    package var hasGap: Bool {
      self.removed > self.acked || (self.seenSeconds == nil && self.hasDisplaced)
    }

    /// Number of devices, if the hash has `fields` fields.
    func devices(among fields: Int) -> Int {
      fields - (self.hasRemoved ? 1 : 0) - (self.hasDisplaced ? 1 : 0)
    }

    /// The place of a device whose cursor its Redis cannot have given: it has acked nothing, and that
    /// is not stored yet.
    package var begunAgain: Position {
      Position(
        acked: .zero, removed: self.hasRemoved ? self.removed : nil, seenSeconds: nil,
        hasDisplaced: self.hasDisplaced)
    }
  }

  /// Appends a read of the device's position.
  package static func position(
    of device: DeviceName, in key: RedisKey, to batch: inout RedisBatch
  ) -> Reply<Position> {
    batch.append(
      "HMGET", key, device.text, Self.removedField, Self.displacedField,
      isRepeatable: true
    ).reading(Position.init(from:))
  }

  /// Appends one command: records the device, unless it is known, as one that has acked nothing.
  @discardableResult
  package static func introduce(
    _ device: DeviceName, seenSeconds: UInt64, in key: RedisKey, to batch: inout RedisBatch
  ) -> Reply<Void> {
    batch.setIfMissing(device.text, to: "\(Offset.zero) \(seenSeconds)", in: key)
  }

  package static func store(
    _ offset: Offset, of device: DeviceName, seenSeconds: UInt64, in key: RedisKey,
    to batch: inout RedisBatch
  ) -> Reply<Void> {
    var seen = " \(seenSeconds)"
    return seen.withUTF8 { seen in
      let valueBytes = offset.textLength + seen.count
      return batch.append(
        arguments: 4, key: key,
        bytes: 4 + key.byteCount + device.text.utf8.count + valueBytes
      ) { writer in
        writer.bulk("HSET")
        writer.bulk(key)
        writer.bulk(device.text)
        writer.bulk(count: valueBytes) { raw in
          let end = offset.write(to: raw)
          UnsafeMutableRawBufferPointer(rebasing: raw[end...]).copyMemory(
            from: UnsafeRawBufferPointer(seen))
        }
      }
    }
  }
}

extension Cursors {
  /// Appends a read of the highest offset that retention has removed; zero if it removed nothing.
  package static func removed(from key: RedisKey, to batch: inout RedisBatch) -> Reply<Offset> {
    batch.value(of: Self.removedField, in: key, Self.readRemoved)
  }

  /// Reads the answer to ``removed(from:to:)``.
  package static func readRemoved(_ cursor: inout ReplyCursor) throws(RedisError) -> Offset {
    try cursor.string().flatMap { Offset($0) } ?? .zero
  }
}

extension Cursors {
  /// Appends a read of when a device of the user was last seen, in seconds since 1970; nil if no device
  /// says.
  package static func lastSeen(in key: RedisKey, to batch: inout RedisBatch) -> Reply<UInt64?> {
    batch.fields(of: key) { cursor throws(RedisError) in
      var last: UInt64?
      for _ in 0..<(try cursor.array() ?? 0) / 2 {
        let isDevice = try cursor.string()?.hasPrefix("!") == false
        let parts = try cursor.string()?.split(separator: " ", maxSplits: 1) ?? []
        // No clock tells a time beyond, nor 0.
        if isDevice, parts.count == 2, let seconds = UInt64(parts[1]), (1..<1 << 40) ~= seconds {
          last = max(last ?? 0, seconds)
        }
      }
      return last
    }
  }
}

extension Cursors.Position {
  /// Reads the values of the device's field, of ``Cursors/removedField`` and of
  /// ``Cursors/displacedField``.
  fileprivate init(from cursor: inout ReplyCursor) throws(RedisError) {
    guard try cursor.array() == 3 else {
      throw .unexpectedReply("HMGET of three fields did not answer three")
    }
    let value = try cursor.string()
    let removed = try cursor.string().flatMap { Offset($0) }
    let parts = value?.split(separator: " ", maxSplits: 1) ?? []
    self.init(
      acked: parts.first.flatMap { Offset(String($0)) } ?? .zero, removed: removed,
      seenSeconds: value.map { _ in parts.count == 2 ? UInt64(parts[1]) ?? 0 : 0 },
      hasDisplaced: try cursor.string() != nil)
  }
}
