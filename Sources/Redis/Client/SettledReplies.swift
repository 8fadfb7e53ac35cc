/// The replies to those commands of a batch whose outcomes are certain by now.
package struct SettledReplies: Sendable {
  private let commands: Range<Int>
  private let replies: RedisReplies

  init(_ commands: Range<Int>, _ replies: RedisReplies) {
    self.commands = commands
    self.replies = replies
  }

  /// Number of commands that have settled.
  package var count: Int { self.commands.count }

  package func contains(_ reply: Reply<some Any>) -> Bool {
    self.commands.contains(reply.index)
  }

  /// A transaction settles as a whole.
  package func contains(_ transaction: TransactionReply<some Any>) -> Bool {
    self.commands.contains(transaction.exec)
  }

  /// The positions in `replies` of those that have settled.
  package func positions(in replies: ReplyRange<some Any>) -> Range<Int> {
    let settled = self.commands.clamped(to: replies.commands)
    let start = replies.commands.lowerBound
    return settled.isEmpty ? 0..<0 : settled.lowerBound - start..<settled.upperBound - start
  }

  /// As of ``RedisReplies``, for a reply that has settled.
  package subscript<Value>(_ reply: Reply<Value>) -> Value {
    get throws(RedisError) { try self.replies[reply.moved(by: -self.commands.lowerBound)] }
  }

  package func checkConfirmed(_ reply: Reply<some Any>) throws(RedisError) {
    try self.replies.checkConfirmed(reply.moved(by: -self.commands.lowerBound))
  }

  package subscript<Value>(
    _ transaction: TransactionReply<Value>
  ) -> [Result<Value, RedisServerError>] {
    get throws(RedisError) { try self.replies[transaction.moved(by: -self.commands.lowerBound)] }
  }

  package func checkConfirmed(_ transaction: TransactionReply<some Any>) throws(RedisError) {
    try self.replies.checkConfirmed(transaction.moved(by: -self.commands.lowerBound))
  }
}
