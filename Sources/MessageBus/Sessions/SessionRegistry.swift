import Redis

/// A device of a user that is, or was, connected to a gateway.
package struct Session: Sendable, Hashable {
  /// The hash's field: the device's name.
  package let device: String
  package let gateway: InstanceID
  package let connection: String

  package init(device: String, gateway: InstanceID, connection: String) {
    self.device = device
    self.gateway = gateway
    self.connection = connection
  }

  /// Reads `gateway/connection`.
  init?(device: String, value: String) {
    let parts = value.split(separator: "/", maxSplits: 1)
    guard parts.count == 2, let gateway = InstanceID(String(parts[0])) else { return nil }
    self.init(device: device, gateway: gateway, connection: String(parts[1]))
  }

  var value: String { "\(self.gateway)/\(self.connection)" }
}

/// Who is connected where: one hash per user, a field per device.
///
/// Only a hint for pushing: a session that is stale costs a push that nobody takes, never a message.
package enum SessionRegistry {
  /// Appends a read of the sessions of a user's devices.
  package static func sessions(_ key: RedisKey, to batch: inout RedisBatch) {
    batch.append(arguments: 2, key: key, bytes: 7 + key.byteCount) { writer in
      writer.bulk("HGETALL")
      writer.bulk(key)
    }
  }

  /// Reads the answer. Omits fields in an unknown form.
  package static func sessions(
    _ replies: RedisReplies, at index: Int
  ) throws(RedisError) -> [Session] {
    var cursor = try replies.cursor(index)
    var sessions: [Session] = []
    for _ in 0..<(try cursor.array() ?? 0) / 2 {
      let device = try cursor.string() ?? ""
      let value = try cursor.string() ?? ""
      if let session = Session(device: device, value: value) { sessions.append(session) }
    }
    return sessions
  }

  /// Appends two commands: read the present holder of the device, then make `session` the holder.
  package static func register(_ session: Session, in key: RedisKey, to batch: inout RedisBatch) {
    batch.append(key: key, "HGET", "\(key)", session.device)
    batch.append(key: key, "HSET", "\(key)", session.device, session.value)
  }

  /// Appends two commands: make `session` the holder if there is none, then read the holder.
  package static func renew(_ session: Session, in key: RedisKey, to batch: inout RedisBatch) {
    batch.append(key: key, "HSETNX", "\(key)", session.device, session.value)
    batch.append(key: key, "HGET", "\(key)", session.device)
  }

  /// Reads the holder of the device of `session`, or its previous holder.
  package static func holder(
    of session: Session, _ replies: RedisReplies, at index: Int
  ) throws(RedisError) -> Session? {
    var cursor = try replies.cursor(index)
    return try cursor.string().flatMap { Session(device: session.device, value: $0) }
  }

  /// Appends the removal of `session`, unless the device has connected again in the meantime.
  package static func remove(_ session: Session, from key: RedisKey, to batch: inout RedisBatch) {
    Script.removeSession.append(key: key, arguments: [session.device, session.value], to: &batch)
  }

  /// Whether a removal failed because the node does not know the script yet; then it is repeated
  /// after ``load(on:to:)``.
  package static func needsScript(_ error: RedisError) -> Bool {
    if case .server(let error) = error { return error.code == "NOSCRIPT" }
    return false
  }

  /// Appends the loading of the script that removals call, on the node of `key`.
  package static func load(on key: RedisKey, to batch: inout RedisBatch) {
    Script.removeSession.load(on: key, to: &batch)
  }
}
