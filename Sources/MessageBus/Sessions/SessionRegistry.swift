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
  init?(device: String, value: UnsafeRawBufferPointer) {
    guard let slash = value.firstIndex(of: UInt8(ascii: "/")),
      let gateway = InstanceID(utf8: UnsafeRawBufferPointer(rebasing: value[..<slash]))
    else { return nil }
    let connection = value[(slash + 1)...]
    if connection.isEmpty { return nil }
    self.init(
      device: device, gateway: gateway, connection: String(decoding: connection, as: UTF8.self))
  }

  var value: String { "\(self.gateway)/\(self.connection)" }

  /// Whether this is its ``value``.
  private func isNamed(by value: UnsafeRawBufferPointer) -> Bool {
    let (gateway, connection) = (self.gateway.text.utf8, self.connection.utf8)
    guard value.count == gateway.count + 1 + connection.count,
      value[gateway.count] == UInt8(ascii: "/")
    else { return false }
    return value[..<gateway.count].elementsEqual(gateway)
      && value[(gateway.count + 1)...].elementsEqual(connection)
  }

  /// Reads the holder of the device: nil if there is none, or one in an unknown form.
  fileprivate func holder(from cursor: inout ReplyCursor) throws(RedisError) -> Session? {
    guard let value = try cursor.bytes() else { return nil }
    // Nearly always itself, which then need not be made again.
    return self.isNamed(by: value) ? self : Session(device: self.device, value: value)
  }
}

/// The registry of connected devices: one hash per user, a field per device.
///
/// Only a hint for pushing: a session that is stale costs a push that nobody takes, never a message.
package enum SessionRegistry {
  /// Appends a read of the sessions of a user's devices. Fields in an unknown form are left out.
  package static func sessions(
    _ key: RedisKey, to batch: inout RedisBatch
  ) -> Reply<[Session]> {
    batch.fields(of: key) { cursor throws(RedisError) in
      try self.sessions(count: (try cursor.array() ?? 0) / 2, from: &cursor)
    }
  }

  /// Reads so many devices, each with its value.
  static func sessions(
    count: Int, from cursor: inout ReplyCursor
  ) throws(RedisError) -> [Session] {
    var sessions: [Session] = []
    for _ in 0..<count {
      let device = try cursor.string() ?? ""
      if let value = try cursor.bytes(), let session = Session(device: device, value: value) {
        sessions.append(session)
      }
    }
    return sessions
  }

  /// Appends two commands that make `session` the holder of its device.
  ///
  /// - Returns: the holder before it.
  package static func register(
    _ session: Session, in key: RedisKey, to batch: inout RedisBatch
  ) -> Reply<Session?> {
    let holder = self.holder(of: session, in: key, to: &batch)
    batch.set([(session.device, session.value)], in: key)
    return holder
  }

  /// Appends two commands that make `session` the holder of its device if there is none.
  ///
  /// - Returns: the holder then.
  package static func renew(
    _ session: Session, in key: RedisKey, to batch: inout RedisBatch
  ) -> Reply<Session?> {
    batch.setIfMissing(session.device, to: session.value, in: key)
    return self.holder(of: session, in: key, to: &batch)
  }

  /// Appends a read of the holder of the device of `session`, which is that session if nobody came after it.
  package static func holder(
    of session: Session, in key: RedisKey, to batch: inout RedisBatch
  ) -> Reply<Session?> {
    batch.value(of: session.device, in: key) { cursor throws(RedisError) in
      try session.holder(from: &cursor)
    }
  }

  /// The removal of `session`, unless the device has connected again in the meantime.
  package static func removal(of session: Session, from key: RedisKey) -> ScriptCall<Void> {
    ScriptCall(.removeSession, keys: [key], session.device, session.value) {
      _ throws(RedisError) in
    }
  }
}
