import ConnectProtocol
import MessageBus
import Redis

extension Bus {
  /// The time of Redis, in seconds since 1970.
  package func seconds() async throws -> Int {
    var cursor = try await self.command("TIME")
    _ = try cursor.array()
    return Int(try cursor.string()!)!
  }

  /// Sets a device's field, by default as seen just now.
  package func setCursor(
    _ acked: Offset, device: String = "phone", of user: UserName, seen: Int? = nil
  ) async throws {
    var seconds = seen
    if seconds == nil { seconds = try await self.seconds() }
    _ = try await self.command(
      "HSET", "\(self.keys.cursor(user))", device, "\(acked) \(seconds!)")
  }

  package func cursors(_ user: UserName) async throws -> [String: String] {
    var cursor = try await self.command("HGETALL", "\(self.keys.cursor(user))")
    var fields: [String: String] = [:]
    for _ in 0..<(try cursor.array() ?? 0) / 2 {
      let field = try cursor.string()!
      fields[field] = try cursor.string()
    }
    return fields
  }

  package func timeToLive(_ key: RedisKey) async throws -> Int {
    var cursor = try await self.command("TTL", "\(key)")
    return try cursor.integer()
  }
}
