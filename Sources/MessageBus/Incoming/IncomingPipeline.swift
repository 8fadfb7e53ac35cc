import ConnectProtocol
import Redis

/// Entries of several partitions that go to Redis together: the commands, and which reply is of
/// which entry. See ``IncomingProducer`` for the rules.
struct IncomingPipeline {
  /// The part of one partition.
  struct Share {
    let partition: Int
    let entries: [IncomingEntry]
    fileprivate let places: Places

    /// Calls `body` with each entry whose result is among the `settled` replies.
    ///
    /// - Returns: how many there were.
    func forEachResult(
      of settled: SettledReplies, _ body: (IncomingEntry, Result<Offset, RedisError>) -> Void
    ) -> Int {
      switch self.places {
      case .each(let replies):
        let positions = settled.positions(in: replies)
        for position in positions {
          let entry = self.entries[position]
          let reply = replies[position]
          let result = Result { () throws(RedisError) in
            let offset = try settled[reply]
            if entry.isDurable { try settled.checkConfirmed(reply) }
            return offset
          }
          body(entry, result)
        }
        return positions.count
      case .all(let transaction):
        guard settled.contains(transaction) else { return 0 }
        self.forEachExecuted(transaction, settled, body)
        return self.entries.count
      }
    }

    private func forEachExecuted(
      _ transaction: TransactionReply<Offset>, _ settled: SettledReplies,
      _ body: (IncomingEntry, Result<Offset, RedisError>) -> Void
    ) {
      do throws(RedisError) {
        for (entry, outcome) in zip(self.entries, try settled[transaction]) {
          let result = Result { () throws(RedisError) in
            switch outcome {
            case .failure(let error): throw .server(error)
            case .success(let offset):
              if entry.isDurable { try settled.checkConfirmed(transaction) }
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

  /// The replies to one command for each entry.
  fileprivate enum Places {
    case each(ReplyRange<Offset>)
    /// Several entries of one sender, all or none.
    case all(TransactionReply<Offset>)
  }

  var batch = RedisBatch()
  private(set) var shares: [Share] = []
  private(set) var entryCount = 0
  /// Whether replicas must confirm an entry in it, where any are demanded.
  private(set) var isDurable = false

  mutating func take(_ load: IncomingQueue.Load, of partition: Int, on stream: RedisKey) {
    let places: Places =
      load.repeatsSender
      ? .all(self.batch.transaction(on: stream, of: Offset.read) { $0.append(load.commands) })
      : .each(self.batch.append(load.commands, of: Offset.read))
    self.shares.append(
      Share(partition: partition, entries: load.entries, places: places))
    self.entryCount += load.entries.count
    self.isDurable = self.isDurable || load.entries.contains(where: \.isDurable)
  }
}
