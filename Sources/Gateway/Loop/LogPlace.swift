import ConnectProtocol
import MessageBus
import Redis

/// The place of the replies to a ``LogLook/Read``.
///
/// It is a transaction, so all of it is of one moment. A list's rows are neither older than its newest
/// message nor younger: what a client is told of later is above both. And what is removed cannot be missing
/// from a page without being known as removed.
struct LogPlace {
  let replies: TransactionReply<ReplyCursor>
  private let read: LogLook.Read

  /// Appends the read to a batch.
  init(_ read: LogLook.Read, of user: UserName, _ keys: Keys, to batch: inout RedisBatch) {
    self.read = read
    let mailbox = keys.mailbox(user)
    self.replies = batch.transaction(on: mailbox, of: Self.whole) { batch in
      if let page = read.page {
        _ = batch.newestEntries(of: mailbox, below: page.below, maximum: page.maximum)
        _ = Cursors.removed(from: keys.cursor(user), to: &batch)
      }
      if read.hasTable { _ = Positions.table(of: keys.positions(user), to: &batch) }
    }
  }

  func reply(in settled: SettledReplies) throws(RedisError) -> LogLook.Reply {
    var cursors = try settled[self.replies][...]
    var reply = LogLook.Reply()
    if self.read.page != nil {
      reply.entries = try Self.next(&cursors, StreamEntry.list).map(Mailbox.Entry.init)
      reply.removed = try Self.next(&cursors, Cursors.readRemoved)
    }
    if self.read.hasTable { reply.table = try Self.next(&cursors, Positions.read) }
    return reply
  }

  /// A reply to be read by itself.
  private static func whole(_ cursor: inout ReplyCursor) -> ReplyCursor {
    defer { cursor.skip() }
    return cursor
  }

  private static func next<Value>(
    _ outcomes: inout ArraySlice<Result<ReplyCursor, RedisServerError>>, _ read: Reply<Value>.Read
  ) throws(RedisError) -> Value {
    switch outcomes.popFirst() {
    case .success(var cursor): return try read(&cursor)
    case .failure(let error): throw .server(error)
    case nil: throw .unexpectedReply("EXEC answered fewer replies than commands")
    }
  }
}
