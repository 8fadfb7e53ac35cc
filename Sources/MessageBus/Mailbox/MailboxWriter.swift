import ConnectProtocol
import Redis

/// Stores a batch of bus entries in their recipients' mailboxes, each once, in order.
///
/// One pipeline per batch. Per recipient: the new entries under their bus offsets, then the
/// mailbox's length, then the recipient's sessions; for a mailbox that is not remembered its length
/// before that, too. In that order on one node, so that a device that
/// connects meanwhile is either seen here, or sees the entry in the mailbox, or both.
///
/// The bus offset is the identity: a mailbox takes only ids above its top, so Redis itself refuses an
/// entry that was stored before. A refusal is checked all the same; see `MailboxWriter+Refusals`.
public final class MailboxWriter {
  /// A bus entry on its way to a mailbox.
  public struct Item {
    /// Its offset on the bus.
    public let offset: Offset
    /// What it is.
    public let envelope: Envelope

    /// Whose mailbox it goes to.
    public let recipient: UserName

    /// An entry as it was read from the bus. Nil if it names no recipient.
    public init?(offset: Offset, envelope: Envelope) {
      guard let recipient = envelope.recipient else { return nil }
      self.offset = offset
      self.envelope = envelope
      self.recipient = recipient
    }
  }

  /// What became of one recipient's entries.
  public struct Stored {
    /// Whose mailbox.
    public let recipient: UserName
    /// What must be pushed, in mailbox order, with the offsets before them.
    public internal(set) var pushes: [Push]
    /// Where the recipient's devices are connected.
    public internal(set) var sessions: [Session]
    /// Items that this mailbox can never take, with Redis's reason.
    public internal(set) var refused: [(Item, reason: String)]
  }

  /// A message for the recipient's devices.
  public struct Push {
    /// The offset before it in the mailbox; zero when that is not known.
    public let previous: Offset
    /// Where it stands in the mailbox.
    public let offset: Offset
    /// What is sent: the entry as it stands in the mailbox.
    public let payload: Payload
  }

  /// An envelope's bytes, as they were read or as they were made anew.
  public enum Payload {
    case read(ReplyBytes)
    case made([UInt8])

    var count: Int {
      switch self {
      case .read(let bytes): bytes.count
      case .made(let bytes): bytes.count
      }
    }

    func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
      switch self {
      case .read(let bytes): bytes.withUnsafeBytes(body)
      case .made(let bytes): bytes.withUnsafeBytes(body)
      }
    }
  }

  let keys: Keys
  let client: any RedisClient
  private var lastWrites: LastWrites

  /// A writer that remembers the mailboxes it wrote last. On the client's event loop only.
  public init(
    keys: Keys, client: any RedisClient, remembering mailboxes: Int = BusLimits.rememberedMailboxes
  ) {
    self.keys = keys
    self.client = client
    self.lastWrites = LastWrites(capacity: max(2, mailboxes))
  }

  /// One recipient's part of a batch.
  struct Group {
    let recipient: UserName
    var items: [Item]
    /// Whether nothing is remembered of the mailbox, so that its length before must be asked for.
    var isNew = false
  }

  /// Stores items in the order of the bus.
  ///
  /// - Returns: per recipient, in the order in which recipients first occur.
  /// - Throws: when something was not answered. Then nothing is certain, and the whole batch is to be
  ///   given again: what was stored is recognised.
  public func store(_ items: [Item]) async throws(RedisError) -> [Stored] {
    var groups = try await self.withoutRepeats(Self.grouped(items))
    for index in groups.indices {
      groups[index].isNew = self.lastWrites[groups[index].recipient] == nil
    }
    let replies = await self.client.execute(self.pipeline(for: groups))
    var index = 0
    var result: [Stored] = []
    result.reserveCapacity(groups.count)
    for group in groups {
      result.append(try await self.outcome(of: group, replies: replies, index: &index))
    }
    return result
  }

  private static func grouped(_ items: [Item]) -> [Group] {
    var groups: [Group] = []
    var places: [UserName: Int] = [:]
    for item in items {
      if let place = places[item.recipient] {
        groups[place].items.append(item)
      } else {
        places[item.recipient] = groups.count
        groups.append(Group(recipient: item.recipient, items: [item]))
      }
    }
    return groups
  }

  private func pipeline(for groups: [Group]) -> RedisBatch {
    var batch = RedisBatch()
    for group in groups {
      let mailbox = self.keys.mailbox(group.recipient)
      if group.isNew { batch.length(of: mailbox) }
      for item in group.items {
        item.envelope.bytes.withUnsafeBytes { bytes in
          batch.addEntry(to: mailbox, at: item.offset, count: bytes.count) {
            $0.copyMemory(from: bytes)
          }
        }
      }
      batch.length(of: mailbox)
      SessionRegistry.sessions(self.keys.session(group.recipient), to: &batch)
    }
    return batch
  }

  private func outcome(
    of group: Group, replies: RedisReplies, index: inout Int
  ) async throws(RedisError) -> Stored {
    var stored = Stored(recipient: group.recipient, pushes: [], sessions: [], refused: [])
    var collided: [Item] = []
    var written: [Item] = []
    var lengthBefore = self.lastWrites[group.recipient]?.length
    if group.isNew {
      // A mailbox of another type has no length; its items are refused below.
      lengthBefore = try? Self.length(replies, at: index)
      index += 1
    }
    for item in group.items {
      defer { index += 1 }
      do throws(RedisError) {
        _ = try replies.cursor(index)
        written.append(item)
      } catch .server(let error) where error.isAtOrBelowTop {
        collided.append(item)
      } catch .server(let error) where error.code == "WRONGTYPE" {
        stored.refused.append((item, error.message))
      }
    }
    guard stored.refused.isEmpty else {
      index += 2
      return stored
    }
    let lengthAfter = try Self.length(replies, at: index)
    do throws(RedisError) {
      stored.sessions = try SessionRegistry.sessions(replies, at: index + 1)
    } catch .server(let error) where error.code == "WRONGTYPE" {
      // Only a hint, and no repeat would mend it.
    }
    index += 2

    guard collided.isEmpty else {
      self.lastWrites.forget(group.recipient)
      stored.pushes = try await self.resolve(collided, for: group.recipient)
      stored.pushes += written.map {
        Push(previous: .zero, offset: $0.offset, payload: .read($0.envelope.bytes))
      }
      // What was put above the top comes after what was written before it.
      stored.pushes.sort { $0.offset < $1.offset }
      return stored
    }
    let isUnbroken = lengthBefore == lengthAfter - written.count
    stored.pushes = self.pushes(
      written, for: group.recipient, lengthAfter: lengthAfter, isUnbroken: isUnbroken)
    return stored
  }

  private static func length(
    _ replies: RedisReplies, at index: Int
  ) throws(RedisError) -> Int {
    var cursor = try replies.cursor(index)
    return try cursor.integer()
  }

  /// Chains what was written: each push names the offset before it.
  ///
  /// What this writer remembers of a mailbox is true only if nobody else wrote to it since, and a
  /// push with a wrong `previous` would make a device skip what came between. The length tells: it
  /// has grown by exactly what was written here, or nothing is remembered and the pushes go without.
  private func pushes(
    _ written: [Item], for recipient: UserName, lengthAfter: Int, isUnbroken: Bool
  ) -> [Push] {
    guard let last = written.last else { return [] }
    var previous = isUnbroken ? self.lastWrites[recipient]?.offset ?? .zero : .zero
    if isUnbroken {
      self.lastWrites[recipient] = LastWrites.Entry(offset: last.offset, length: lengthAfter)
    } else {
      self.lastWrites.forget(recipient)
    }
    return written.map { item in
      let push = Push(
        previous: previous, offset: item.offset, payload: .read(item.envelope.bytes))
      previous = isUnbroken ? item.offset : .zero
      return push
    }
  }
}

extension RedisServerError {
  /// XADD's answer to an id that is not above the stream's last.
  var isAtOrBelowTop: Bool {
    self.message.hasPrefix("ERR The ID specified in XADD is equal or smaller")
  }
}
