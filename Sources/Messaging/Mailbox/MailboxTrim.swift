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

  /// Appends a call for `user`'s mailbox.
  ///
  /// - Parameters:
  ///   - makesRoom: whether all acked entries may go, since the mailbox is full.
  ///   - maximum: how many entries it removes at most.
  static func append(
    of user: UserName, keys: Keys, limits: MailboxLimits, makesRoom: Bool, maximum: Int,
    to batch: inout RedisBatch
  ) {
    let mailbox = keys.mailbox(user)
    batch.append(
      key: mailbox, "EVALSHA", Script.trimMailbox.sha1, "3", "\(mailbox)", "\(keys.cursor(user))",
      "\(keys.session(user))", "\(limits.historyEntries)", "\(limits.retentionSeconds)",
      makesRoom ? "1" : "0",
      "\(maximum)", "\(BusLimits.mailboxExpirySlackSeconds)",
      "\(BusLimits.maximumDevices)")
  }

  init(_ replies: RedisReplies, at index: Int) throws(RedisError) {
    var cursor = try replies.cursor(index)
    guard try cursor.array() == 4 else {
      throw .unexpectedReply("the trimming of a mailbox did not answer four numbers")
    }
    self.length = try cursor.count()
    self.removed = try cursor.count()
    self.removedBytes = min(try cursor.count(), LastWrites.Entry.maximumBytes)
    self.hasCrowd = try cursor.count() > 0
  }

  /// Loads the script where an answer says that the server does not know it, and calls it there
  /// again. Answers the users whose mailboxes are meant, in the order of the calls in `batch`.
  static func repeatUnknown(
    of users: [(user: UserName, maximum: Int)], keys: Keys, limits: MailboxLimits,
    makesRoom: Bool, _ replies: RedisReplies, to batch: inout RedisBatch
  ) -> [(user: UserName, maximum: Int, index: Int)] {
    var again: [(user: UserName, maximum: Int, index: Int)] = []
    for (index, (user, maximum)) in users.enumerated() {
      do throws(RedisError) {
        _ = try replies.cursor(index)
      } catch .server(let error) where error.code == "NOSCRIPT" {
        Script.trimMailbox.load(on: keys.mailbox(user), to: &batch)
        again.append((user, maximum, batch.count))
        Self.append(
          of: user, keys: keys, limits: limits, makesRoom: makesRoom, maximum: maximum, to: &batch)
      } catch {
        // Something else is wrong with this mailbox; loading would not mend it.
      }
    }
    return again
  }
}
