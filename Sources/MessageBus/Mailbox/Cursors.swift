import ConnectProtocol
import Redis

/// How far each device of a user has acked: one hash per user, a field per device.
///
/// Written late, a cursor only causes a replay that the client recognises.
public enum Cursors {
  /// Holds the highest offset that retention has removed. No device is named so: names have no `!`.
  static let removedField = "!removed"

  /// A device's place in its mailbox.
  public struct Position: Sendable, Hashable {
    /// The last acked offset; zero for a device that never acked.
    public let acked: Offset
    /// The highest offset that retention has removed; zero when it removed none.
    public let removed: Offset

    /// Whether retention has removed messages that the device never acked.
    public var hasGap: Bool { self.removed > self.acked }
  }

  /// Appends the answer to where `device` is.
  public static func position(
    of device: DeviceName, in key: RedisKey, to batch: inout RedisBatch
  ) {
    batch.append(key: key, "HMGET", "\(key)", device.text, Self.removedField)
  }

  /// Reads that answer.
  public static func position(
    _ replies: RedisReplies, at index: Int
  ) throws(RedisError) -> Position {
    var cursor = try replies.cursor(index)
    guard try cursor.array() == 2 else { throw .unexpectedReply("HMGET of two answered no two") }
    let acked = try cursor.string().flatMap { Offset($0) }
    let removed = try cursor.string().flatMap { Offset($0) }
    return Position(acked: acked ?? .zero, removed: removed ?? .zero)
  }

  /// Appends that `device` has acked all up to `offset`.
  public static func store(
    _ offset: Offset, of device: DeviceName, in key: RedisKey, to batch: inout RedisBatch
  ) {
    batch.append(
      arguments: 4, key: key,
      bytes: 4 + key.byteCount + device.text.utf8.count + Offset.maximumTextLength
    ) { writer in
      writer.bulk("HSET")
      writer.bulk(key)
      writer.bulk(device.text)
      writer.bulk(offset)
    }
  }
}
