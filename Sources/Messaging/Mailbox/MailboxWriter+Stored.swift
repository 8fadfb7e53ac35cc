import ConnectProtocol
import MessageBus
import Redis

extension MailboxWriter {
  /// Outcome for one recipient's entries.
  package struct Stored {
    package let recipient: UserName
    /// To be pushed, in mailbox order, with the preceding offsets.
    package internal(set) var pushes: [MailboxPush] = []
    /// Connected devices of the recipient.
    package let sessions: [Session]
    /// Items that this mailbox did not take, for a reason of its own such as `WRONGTYPE`. They, and
    /// only they, are to be given again, or given up.
    package internal(set) var refused: [(Item, RedisServerError)]
    /// Items for which the mailbox has no room: it is full of entries that not all devices have acked.
    package internal(set) var overflowed: [Item]
    /// Messages of which their senders get copies, in the order of the mailbox.
    package internal(set) var originals: [Original]

    /// The outcome before anything was pushed.
    init(_ group: Group, _ answers: Answers) {
      self.recipient = group.recipient
      self.sessions = answers.sessions
      self.refused = answers.refused
      self.overflowed = group.overflowed
      self.originals = group.originals
    }
  }
}
