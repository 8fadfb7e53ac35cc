import ConnectProtocol
import MessageBus
import Redis

extension Script {
  static let trimMailbox = Script(
    PackageResources.trim_mailbox_lua,
    library: Script.comparingIDs + Script.displacingDevices)
}

/// Result of `trim_mailbox.lua` for a mailbox.
struct MailboxTrim: Hashable {
  /// Length after trimming.
  let length: Int
  let removed: Int
  /// Bytes of the removed envelopes.
  let removedBytes: Int
  /// Whether the user has more devices than one call looks at, and it forgot some: then it is to be called
  /// again.
  let hasCrowd: Bool
}

extension MailboxTrim {
  /// A call for `user`'s mailbox.
  ///
  /// - Parameters:
  ///   - makesRoom: whether all acked entries may go, since the mailbox is full.
  ///   - maximum: how many entries it removes at most.
  static func call(
    of user: UserName, keys: Keys, limits: MailboxLimits, makesRoom: Bool, maximum: Int
  ) -> ScriptCall<MailboxTrim> {
    ScriptCall(
      .trimMailbox, keys: [keys.mailbox(user), keys.cursor(user), keys.session(user)],
      "\(limits.historyEntries)", "\(limits.retentionSeconds)", makesRoom ? "1" : "0",
      "\(maximum)", "\(BusLimits.mailboxExpirySlackSeconds)", "\(BusLimits.maximumDevices)",
      read: MailboxTrim.init(from:))
  }

  private init(from cursor: inout ReplyCursor) throws(RedisError) {
    guard try cursor.array() == 4 else {
      throw .unexpectedReply("the trimming of a mailbox did not answer four numbers")
    }
    self.length = try cursor.count()
    self.removed = try cursor.count()
    self.removedBytes = min(try cursor.count(), KnownMailbox.maximumBytes)
    self.hasCrowd = try cursor.count() > 0
  }
}
