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
  let stream: RedisKey
  let group: String
  let client: any RedisClient
  private let name: String
  private let reader: any RedisClient
  private let timeToLiveSeconds: Int?
  /// See `GroupConsumer+Finish`.
  var finished = FinishedEntries()

  /// - Parameters:
  ///   - reader: only this consumer's; closing it ends a read that waits.
  ///   - client: for everything that does not block.
  ///   - timeToLiveSeconds: when the stream vanishes unless somebody extends it; nil for never.
  public init(
    stream: RedisKey, group: String, name: String, reader: any RedisClient,
    client: any RedisClient, timeToLiveSeconds: Int? = nil
  ) {
    self.stream = stream
    self.group = group
    self.name = name
    self.reader = reader
    self.client = client
    self.timeToLiveSeconds = timeToLiveSeconds
  }

  /// Creates the stream and the group if they are not there.
  ///
  /// - Returns: whether they had to be created.
  public func createGroup() async throws(RedisError) -> Bool {
    var batch = RedisBatch()
    batch.createGroup(self.group, on: self.stream)
    if let seconds = self.timeToLiveSeconds {
      // At once: should we die now, a stream that nobody reads must not stay.
      batch.append(key: self.stream, "EXPIRE", "\(self.stream)", "\(seconds)")
    }
    let replies = await self.client.execute(batch)
    do throws(RedisError) {
      _ = try replies.cursor(0)
      return true
    } catch .server(let error) where error.code == "BUSYGROUP" || error.code == "OOM" {
      // A Redis that is full refuses even to look whether the group is there. Reading will tell.
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
}

extension RedisError {
  /// Whether the stream or its group is missing, so that ``GroupConsumer/createGroup()`` helps.
  public var isMissingGroup: Bool {
    guard case .server(let error) = self else { return false }
    // UNBLOCKED: the stream went away under a read that waited.
    return error.code == "NOGROUP" || error.code == "UNBLOCKED"
  }
}
