import ConnectProtocol
import Redis

extension Script {
  static let boundDevices = Script(
    PackageResources.bound_devices_lua, library: Self.displacingDevices)
}

/// Keeps the number of a user's devices within a limit. A device is a name that a client chose, and each
/// holds back the trimming of what it has not acked, so they must not be without end.
package enum DeviceBound {
  /// The outcome for a device that connects.
  package struct Outcome: Sendable, Hashable {
    /// Whether it may stay: not if it is new and all others are connected.
    package let mayStay: Bool
    /// Number of other devices forgotten for it.
    package let displaced: Int
  }

  /// Appends one command, behind ``Cursors/introduce(_:seenSeconds:in:to:)``: the number of the
  /// cursors' fields, for ``isExceeded(_:at:fields:)``.
  package static func count(in cursors: RedisKey, to batch: inout RedisBatch) -> Reply<Int> {
    batch.append("HLEN", cursors, isRepeatable: true).count()
  }

  /// Whether ``enforce(_:for:isNew:keys:user:to:)`` is due.
  package static func isExceeded(
    _ maximum: Int, at position: Cursors.Position, fields: Int
  ) -> Bool {
    position.devices(among: fields) > maximum
  }

  /// Appends one command, which forgets devices beyond `maximum`; see `Scripts/bound_devices.lua`.
  package static func enforce(
    _ maximum: Int, for session: Session, isNew: Bool, keys: Keys, user: UserName,
    to batch: inout RedisBatch
  ) -> Reply<Outcome> {
    batch.evaluate(
      .boundDevices, keys: [keys.cursor(user), keys.session(user)],
      session.device, session.value, "\(maximum)", isNew ? "1" : "0"
    ).reading { cursor throws(RedisError) in
      guard try cursor.array() == 2 else {
        throw .unexpectedReply("the bound of a user's devices did not answer two numbers")
      }
      return Outcome(mayStay: try cursor.integer() == 1, displaced: try cursor.count())
    }
  }
}
