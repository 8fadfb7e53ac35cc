import ConnectProtocol
import MessageBus
import Redis

/// Moves the rows of positions forward that the entries of a batch name, to be pushed where they moved.
///
/// The row first, then the sessions, in one script: a device that connects meanwhile is either seen there,
/// or sees the row.
struct PositionWriter {
  /// A conversation of the owner of the positions.
  private struct Conversation: Hashable {
    let user: UserName
    let peer: UserName
  }

  /// What came of a batch.
  struct Outcome {
    /// Rows to be pushed: those that moved, or may have moved in an earlier attempt.
    var pushes: [(user: UserName, peer: UserName, Positions.Advance)] = []
    /// Items refused for a lasting reason, such as a key of another type.
    var refused: [(MailboxWriter.Item, RedisServerError)] = []
  }

  private let keys: Keys
  private let writer: any RedisClient
  private let limits: PositionLimits
  private let durability: Durability

  init(keys: Keys, writer: any RedisClient, limits: PositionLimits, durability: Durability) {
    self.keys = keys
    self.writer = writer
    self.limits = limits
    self.durability = durability
  }

  /// - Parameters:
  ///   - items: entries of ``Envelope/Kind/position``.
  ///   - seenBefore: everything up to here may have been given before. What it moved may not have been
  ///     pushed; a gateway passes over what it knows.
  /// - Throws: when something was not answered or confirmed, or refused for a reason that passes: then all
  ///   of them are to be given again, which does no harm.
  func advance(
    _ items: [MailboxWriter.Item], seenBefore: Offset
  ) async throws(RedisError) -> Outcome {
    var order: [Conversation] = []
    var told: [Conversation: Envelope.Position] = [:]
    var first: [Conversation: Offset] = [:]
    var last: [Conversation: MailboxWriter.Item] = [:]
    for item in items {
      guard let peer = item.envelope.sender, let position = item.envelope.position else { continue }
      let conversation = Conversation(user: item.recipient, peer: peer)
      if told[conversation] == nil {
        order.append(conversation)
        first[conversation] = item.offset
      }
      told[conversation, default: Envelope.Position()].raise(to: position)
      last[conversation] = item
    }
    let results = await self.writer.run(
      order.map { conversation in
        Positions.advance(
          conversation.user, peer: conversation.peer,
          told: told[conversation] ?? Envelope.Position(), keys: self.keys, limits: self.limits)
      }, confirmation: self.durability.confirmation)
    var outcome = Outcome()
    for (conversation, result) in zip(order, results) {
      switch result {
      case .success(let advance):
        let wasSeen = first[conversation].map { $0 <= seenBefore } ?? false
        if advance.moved || wasSeen {
          outcome.pushes.append((conversation.user, conversation.peer, advance))
        }
      case .failure(.server(let error)) where !error.isTransient:
        if let item = last[conversation] { outcome.refused.append((item, error)) }
      case .failure(let error): throw error
      }
    }
    return outcome
  }
}

extension Envelope.Position {
  mutating func raise(to other: Envelope.Position) {
    self.delivered = max(self.delivered, other.delivered)
    self.read = max(self.read, other.read)
  }
}
