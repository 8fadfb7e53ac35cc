/// The place of a command's reply among those of its batch, and how to read it.
///
/// A method that appends a command returns it, and ``RedisReplies`` reads it: `try replies[place]`.
/// A place is valid for the replies to the batch that the command was appended to, and for no
/// other.
package struct Reply<Value>: Sendable {
  package typealias Read = @Sendable (inout ReplyCursor) throws(RedisError) -> Value

  let index: Int
  let read: Read
  /// The value of an error reply that counts as success, such as that a key is missing.
  let recover: (@Sendable (RedisServerError) -> Value?)?

  /// The reply at `index` of its batch.
  init(
    at index: Int, recover: (@Sendable (RedisServerError) -> Value?)? = nil, _ read: @escaping Read
  ) {
    self.index = index
    self.read = read
    self.recover = recover
  }

  func moved(by distance: Int) -> Reply {
    Reply(at: self.index + distance, recover: self.recover, self.read)
  }
}

extension Reply<Void> {
  init(at index: Int) { self.init(at: index) { _ throws(RedisError) in } }

  /// The same reply, with the value that `read` makes of it.
  ///
  /// - Parameter recover: The value of an error reply that counts as success; nil for others.
  package func reading<Other>(
    recover: (@Sendable (RedisServerError) -> Other?)? = nil, _ read: @escaping Reply<Other>.Read
  ) -> Reply<Other> {
    Reply<Other>(at: self.index, recover: recover, read)
  }

  /// The reply itself, to be read by hand.
  package func cursor() -> Reply<ReplyCursor> {
    self.reading { cursor throws(RedisError) in cursor }
  }

  package func integer() -> Reply<Int> {
    self.reading { cursor throws(RedisError) in try cursor.integer() }
  }

  /// A number of things; see ``ReplyCursor/count()``.
  package func count() -> Reply<Int> {
    self.reading { cursor throws(RedisError) in try cursor.count() }
  }

  /// Whether the reply is 1.
  package func flag() -> Reply<Bool> {
    self.reading { cursor throws(RedisError) in try cursor.integer() == 1 }
  }

  /// A string; nil for nil.
  package func string() -> Reply<String?> {
    self.reading { cursor throws(RedisError) in try cursor.string() }
  }
}

/// The places of the replies to commands that stand one behind another and answer alike.
package struct ReplyRange<Value>: Sendable {
  let commands: Range<Int>
  let read: Reply<Value>.Read

  package subscript(_ position: Int) -> Reply<Value> {
    Reply(at: self.commands.lowerBound + position, self.read)
  }
}

/// The places of a transaction's replies: `MULTI`, each command, and `EXEC`.
package struct TransactionReply<Value>: Sendable {
  let start: Int
  let commands: Int
  let read: Reply<Value>.Read

  /// Of a transaction of `commands` commands that are alike, whose `MULTI` is at `start` of its batch.
  init(at start: Int, commands: Int, _ read: @escaping Reply<Value>.Read) {
    self.start = start
    self.commands = commands
    self.read = read
  }

  var exec: Int { self.start + 1 + self.commands }

  func moved(by distance: Int) -> TransactionReply {
    TransactionReply(at: self.start + distance, commands: self.commands, self.read)
  }
}

extension RedisReplies {
  /// The value of a reply.
  ///
  /// - Throws: what went wrong with the command: Redis's own error reply, that none came, or that it has
  ///   another form.
  package subscript<Value>(_ reply: Reply<Value>) -> Value {
    get throws(RedisError) {
      if let recover = reply.recover, let error = self.serverError(reply.index),
        let value = recover(error)
      {
        return value
      }
      var cursor = try self.cursor(reply.index)
      return try reply.read(&cursor)
    }
  }

  /// Redis's error reply; nil if it is another.
  ///
  /// - Throws: that no reply came.
  package func refusal(of reply: Reply<some Any>) throws(RedisError) -> RedisServerError? {
    do throws(RedisError) {
      _ = try self.cursor(reply.index)
      return nil
    } catch .server(let error) {
      return error
    }
  }

  /// The value of a reply; nil if Redis refuses for a lasting reason, such as a key of another type.
  package func unlessRefused<Value>(_ reply: Reply<Value>) throws(RedisError) -> Value? {
    do throws(RedisError) {
      return try self[reply]
    } catch .server(let error) where !error.isTransient {
      return nil
    }
  }

  /// Checks that as many replicas have what a command wrote as the batch's
  /// ``RedisBatch/confirmation`` asks for. Nothing to check without one.
  ///
  /// - Throws: what went wrong with the command, or that too few have it: it is executed, and a
  ///   failover may lose it.
  package func checkConfirmed(_ reply: Reply<some Any>) throws(RedisError) {
    try self.checkConfirmed(reply.index)
  }

  /// The outcome of each command of a transaction: its value, or why Redis refused it when it was
  /// executed.
  ///
  /// - Throws: why nothing was executed, as far as it is known: the first refusal of a command while it
  ///   was queued, or that of `EXEC`.
  package subscript<Value>(
    _ transaction: TransactionReply<Value>
  ) -> [Result<Value, RedisServerError>] {
    get throws(RedisError) {
      // EXEC only says that a command was refused, and that command's reply says why.
      for index in transaction.start..<transaction.exec { _ = try self.cursor(index) }
      var cursor = try self.cursor(transaction.exec)
      guard try cursor.array() == transaction.commands else {
        throw .unexpectedReply("EXEC answered something other than one reply per command")
      }
      var outcomes: [Result<Value, RedisServerError>] = []
      outcomes.reserveCapacity(transaction.commands)
      for _ in 0..<transaction.commands {
        if let error = cursor.error {
          outcomes.append(.failure(error))
          cursor.skip()
        } else {
          outcomes.append(.success(try transaction.read(&cursor)))
        }
      }
      return outcomes
    }
  }

  /// Throws if `MULTI` was refused, whose cause is not one of its commands.
  package func checkBegun(_ transaction: TransactionReply<some Any>) throws(RedisError) {
    _ = try self.cursor(transaction.start)
  }

  package func checkConfirmed(_ transaction: TransactionReply<some Any>) throws(RedisError) {
    try self.checkConfirmed(transaction.exec)
  }
}
