import CHiredis

/// Feeds bytes from the socket to hiredis, which appends the replies to the arena in use.
///
/// It alone owns the C reader: made in `init`, freed in `deinit`. After an error the reader is dead,
/// and so must be the connection.
struct ReplyReader: ~Copyable {
  private let reader: UnsafeMutablePointer<connect_reader>
  /// Keeps the arena alive that the C reader points to.
  private var arena: ReplyArena?
  private var nextRoot = 0

  init() {
    guard let reader = connect_reader_create() else {
      fatalError("out of memory: no room for a reply reader")
    }
    self.reader = reader
  }

  deinit { connect_reader_destroy(self.reader) }

  /// Directs further replies to `arena`. Call it only between replies.
  mutating func use(_ arena: ReplyArena) {
    self.arena = arena
    self.nextRoot = arena.nodeCount
    connect_reader_use(self.reader, arena.storage)
  }

  mutating func feed(_ bytes: UnsafeRawBufferPointer) throws(RedisError) {
    let characters = bytes.bindMemory(to: CChar.self)
    guard connect_reader_feed(self.reader, characters.baseAddress, characters.count) == 1 else {
      throw self.error
    }
  }

  /// Returns whether one more whole reply was appended to the arena in use.
  mutating func next() throws(RedisError) -> Bool {
    guard let arena = self.arena else { return false }
    switch connect_reader_next(self.reader) {
    case 1:
      arena.completeReply(startingAt: self.nextRoot)
      self.nextRoot = arena.nodeCount
      return true
    case 0: return false
    default: throw self.error
    }
  }

  /// Bytes received after the reply that ``next()`` has just appended.
  var unreadBytes: Int { connect_reader_unread(self.reader) }

  private var error: RedisError {
    .unanswered("the reply was not RESP2: \(String(cString: connect_reader_error(self.reader)))")
  }
}
