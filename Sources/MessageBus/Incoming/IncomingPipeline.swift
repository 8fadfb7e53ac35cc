import ConnectProtocol
import Redis

struct IncomingPipeline<Token> {
  /// The part of one partition.
  struct Share {
    let partition: Int
    let entries: [IncomingEntry<Token>]
    /// One command for each entry, between `MULTI` and `EXEC` if it is a transaction.
    let commands: Range<Int>

    private var isTransaction: Bool { self.commands.count > self.entries.count }

    /// Calls `body` with each entry whose result the replies to the commands `settled` tell.
    ///
    /// - Returns: how many there were.
    func forEachResult(
      of settled: Range<Int>, _ replies: RedisReplies,
      _ body: (IncomingEntry<Token>, Result<Offset, RedisError>) -> Void
    ) -> Int {
      let own = settled.clamped(to: self.commands)
      guard !own.isEmpty else { return 0 }
      if self.isTransaction {
        precondition(own == self.commands, "a transaction is answered as a whole")
        self.forEachExecuted(replies, from: own.lowerBound - settled.lowerBound, body)
        return self.entries.count
      }
      for command in own {
        let entry = self.entries[command - self.commands.lowerBound]
        let place = Reply(at: command - settled.lowerBound, Offset.read)
        let result = Result { () throws(RedisError) in
          let offset = try replies[place]
          if entry.isDurable { try replies.checkConfirmed(place) }
          return offset
        }
        body(entry, result)
      }
      return own.count
    }

    /// The same for a transaction, whose replies begin at `start`.
    private func forEachExecuted(
      _ replies: RedisReplies, from start: Int,
      _ body: (IncomingEntry<Token>, Result<Offset, RedisError>) -> Void
    ) {
      let transaction = TransactionReply(at: start, commands: self.entries.count, Offset.read)
      do throws(RedisError) {
        for (entry, outcome) in zip(self.entries, try replies[transaction]) {
          let result = Result { () throws(RedisError) in
            switch outcome {
            case .failure(let error): throw .server(error)
            case .success(let offset):
              if entry.isDurable { try replies.checkConfirmed(transaction) }
              return offset
            }
          }
          body(entry, result)
        }
      } catch {
        for entry in self.entries { body(entry, .failure(error)) }
      }
    }
  }

  var batch = RedisBatch()
  private(set) var shares: [Share] = []
  private(set) var entryCount = 0
  /// Whether replicas must confirm an entry in it, where any are demanded.
  private(set) var isDurable = false

  mutating func take(_ load: IncomingQueue<Token>.Load, of partition: Int, on stream: RedisKey) {
    let start = self.batch.count
    if load.repeatsSender {
      self.batch.transaction(on: stream, of: Offset.read) { $0.append(load.commands) }
    } else if start == 0 {
      self.batch = load.commands
    } else {
      self.batch.append(load.commands)
    }
    self.shares.append(
      Share(partition: partition, entries: load.entries, commands: start..<self.batch.count))
    self.entryCount += load.entries.count
    self.isDurable = self.isDurable || load.entries.contains(where: \.isDurable)
  }
}
