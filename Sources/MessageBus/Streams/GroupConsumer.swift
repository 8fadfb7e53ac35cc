import ConnectProtocol
import NIOCore
import Redis

/// One consumer of one stream's group: reads in order, claims what others left, acknowledges.
///
/// A stream or group that is missing is made again *from 0*: an entry too often is recognised
/// further on, an entry skipped is lost.
///
/// It has a client of its own for reading, because a blocking read holds a connection; all else goes
/// through the shared one of its event loop.
///
/// A stream has one consumer at a time, so the place in the group has one name, whoever holds it:
/// the next holder finds what the last left pending, and no names of dead instances pile up. They
/// could not be removed without danger: that drops what they have pending.
public final class GroupConsumer {
  private let stream: RedisKey
  private let group: String
  private let name: String
  private let reader: any RedisClient
  private let client: any RedisClient
  /// The last offset that is finished and not pending, and can be removed with all before it.
  private var removable: Offset?

  /// - Parameters:
  ///   - reader: only this consumer's; closing it ends a read that waits.
  ///   - client: for everything that does not block.
  public init(
    stream: RedisKey, group: String, name: String, reader: any RedisClient,
    client: any RedisClient
  ) {
    self.stream = stream
    self.group = group
    self.name = name
    self.reader = reader
    self.client = client
  }

  /// Creates the stream and the group if they are not there.
  ///
  /// - Returns: whether they had to be created.
  public func createGroup() async throws(RedisError) -> Bool {
    var batch = RedisBatch()
    batch.createGroup(self.group, on: self.stream)
    do throws(RedisError) {
      try await self.client.execute(batch).check()
      return true
    } catch .server(let error) where error.code == "BUSYGROUP" {
      return false
    }
  }

  /// Entries that nobody had yet, in order. Empty when none came in time.
  public func read(
    maximum: Int = BusLimits.entriesPerRead,
    blockMilliseconds: Int64 = BusLimits.blockMilliseconds
  ) async throws(RedisError) -> [StreamEntry] {
    var batch = RedisBatch()
    batch.readGroup(
      self.group, as: self.name, from: self.stream, maximum: maximum,
      blockMilliseconds: blockMilliseconds)
    let replies = await self.reader.execute(
      batch,
      timeout: .milliseconds(blockMilliseconds + RedisLimits.blockingReadGraceMilliseconds))
    var cursor = try replies.cursor(0)
    guard try cursor.array() != nil else { return [] }
    guard try cursor.array() == 2 else {
      throw .unexpectedReply("XREADGROUP answered no pair of stream and entries")
    }
    cursor.skip()
    return try StreamEntry.list(from: &cursor)
  }

  /// Where a walk through everything pending begins.
  public static let claimStart = "0-0"

  /// Takes over some of what is pending for any consumer of the group, in order.
  ///
  /// - Parameter start: ``claimStart``, then what the call before answered.
  /// - Returns: the entries, and where to go on; nil when all has been seen.
  public func claim(
    from start: String, maximum: Int = BusLimits.entriesPerRead
  ) async throws(RedisError) -> (entries: [StreamEntry], next: String?) {
    var batch = RedisBatch()
    batch.claim(
      from: self.stream, group: self.group, as: self.name, start: start, maximum: maximum)
    var cursor = try await self.client.execute(batch).cursor(0)
    guard let parts = try cursor.array(), parts >= 2 else {
      throw .unexpectedReply("XAUTOCLAIM answered no start and entries")
    }
    let next = try cursor.string() ?? Self.claimStart
    let entries = try StreamEntry.list(from: &cursor)
    return (entries, next == Self.claimStart ? nil : next)
  }

  /// Says that entries are done with, and removes from the stream what is certainly done with.
  ///
  /// That is what was finished *before* and is no longer pending for anyone: Redis says so in the
  /// same round trip. Entries that another instance has read, and may yet fail to process, stay.
  /// So the newest finished entries are removed with the call after, which may be an empty one.
  public func finish(_ entries: [StreamEntry]) async throws(RedisError) {
    var batch = RedisBatch()
    if !entries.isEmpty {
      batch.acknowledge(entries.map(\.offset), of: self.stream, group: self.group)
    }
    if let removable = self.removable {
      batch.trim(self.stream, through: removable)
      self.removable = nil
    }
    guard !batch.isEmpty else { return }
    batch.oldestPending(of: self.stream, group: self.group)
    let replies = await self.client.execute(batch)
    try replies.check()
    guard let last = entries.last else { return }
    var cursor = try replies.cursor(batch.count - 1)
    let pending = try Offset(oldestPendingFrom: &cursor)
    // Pending entries begin at `pending`, so only what lies before it may go.
    self.removable = pending.map { min($0.predecessor, last.offset) } ?? last.offset
  }
}

extension RedisError {
  /// Whether the stream or its group is missing, so that ``GroupConsumer/createGroup()`` helps.
  public var isMissingGroup: Bool {
    guard case .server(let error) = self else { return false }
    // UNBLOCKED: the stream went away under a read that waited.
    return error.code == "NOGROUP" || error.code == "UNBLOCKED"
  }
}
