/// Every limit and default of benchmarks with stored mailboxes, each with its unit.
enum MailboxLimits {
  /// Entries of one mailbox.
  static let entries = 1_000_000
  static let defaultEntries = RisingNumbers([10, 1_000, 100_000])
  /// What a mailbox may have where it is to keep everything, acked or not: the most that messaging can be told.
  static let mailboxEntries = 100_000_000
  static let mailboxBytes = 1_099_511_627_776
  /// Stored mailboxes of one message each: 1.3 KB of Redis's memory each.
  static let mailboxes = 10_000_000
  static let defaultMailboxes = RisingNumbers([1_000, 1_000_000])
  /// Users whose memory is measured: enough for what is shared by all, such as buffers, not to count.
  static let users = 10_000
  static let mostUsers = 1_000_000
  /// Messages of each of these.
  static let messages = [1, 5]

  /// Time before Redis's memory is looked at: cursors are stored within a second, and Redis shrinks the buffers
  /// of connections that are idle for two.
  static let memoryPause = Duration.seconds(4)

  /// Users who fill mailboxes, and messages that each keeps under way.
  static let fillers = 8
  static let fillWindow = 128
  /// Time for the first connections.
  static let openLimit = Duration.seconds(30)

  /// Time for one replay, in seconds.
  static let replaySeconds: Int64 = 600

  /// How often a mailbox is replayed: until so many entries have come, within these bounds.
  static let replayedEntries = 20_000
  static let repeats = 3...200

  /// Users who connect at a time to ack what they have.
  static let ackingAtOnce = 100
}
