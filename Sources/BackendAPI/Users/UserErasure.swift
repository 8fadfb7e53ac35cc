import ConnectProtocol
import MessageBus
import Redis

extension Script {
  static let eraseUser = Script(
    PackageResources.erase_user_lua, library: Script.comparingIDs)
}

/// Counts of what was erased of a user.
package struct UserErasure: Sendable, Hashable {
  /// Connections that gateways were told to close.
  package internal(set) var connections = 0
  /// Entries removed from the mailbox.
  package internal(set) var entries = 0
}

/// Takes away what is kept for a user: the mailbox's entries, how far devices and conversations have
/// got, and where the devices are connected.
///
/// The keys stay for a while, empty: a mailbox must keep its top as long as the bus may repeat what
/// stood in it, or a message would come back. What is on its way to the user arrives afterwards.
/// Messages from the user stay with their recipients.
package struct UserEraser: Sendable {
  private let keys: Keys
  private let client: any RedisClient
  private let durability: Durability
  private let retentionSeconds: Int

  /// - Parameters:
  ///   - client: with ``Durability/replicated(_:)`` one of its own, since Redis answers nothing behind
  ///     the question to the replicas meanwhile.
  ///   - retentionSeconds: that of the mailboxes: no entry of the bus is repeated after it.
  package init(
    keys: Keys, client: any RedisClient, durability: Durability = .accepted,
    retentionSeconds: Int = BusLimits.mailboxRetentionSeconds
  ) {
    self.keys = keys
    self.client = client
    self.durability = durability
    self.retentionSeconds = retentionSeconds
  }

  /// Erases a user. May be called again, and then finishes what an earlier call began.
  ///
  /// The connections go first: a gateway stores how far a device has got when it closes, which it
  /// does not do for one that it was told is erased.
  ///
  /// - Throws: when something was not answered, or not confirmed by the replicas asked for: then it
  ///   is to be called again.
  package func erase(_ user: UserName) async throws(RedisError) -> UserErasure {
    let gateways = UserConnections(keys: self.keys, client: self.client)
    var erasure = UserErasure()
    erasure.connections = try await gateways.close(user, isErased: true)
    if erasure.connections > 0 {
      try await gateways.waitUntilGone(user)
      // Who came back meanwhile, and who has not gone.
      _ = try await gateways.close(user, isErased: true)
    }
    var left = 1
    while left > 0 {
      let removed: Int
      (left, removed) = try await self.erasePart(of: user)
      erasure.entries += removed
    }
    return erasure
  }

  private func erasePart(of user: UserName) async throws(RedisError) -> (left: Int, removed: Int) {
    var batch = self.durability.batch()
    let part = batch.evaluate(
      .eraseUser,
      keys: [
        self.keys.mailbox(user), self.keys.cursor(user), self.keys.session(user),
        self.keys.positions(user),
      ],
      "\(BackendAPILimits.entriesPerErasure)",
      "\(self.retentionSeconds + BusLimits.mailboxExpirySlackSeconds)"
    ).reading { cursor throws(RedisError) in
      guard try cursor.array() == 2 else {
        throw .unexpectedReply("erase_user.lua did not answer two numbers")
      }
      return (left: try cursor.count(), removed: try cursor.count())
    }
    let replies = await self.client.execute(batch)
    try replies.checkConfirmed(part)
    return try replies[part]
  }
}
