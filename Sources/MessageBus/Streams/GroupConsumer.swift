import ConnectProtocol
import Logging
import NIOCore
import Redis

/// Reads one stream in order, through a consumer group of its own.
///
/// A group that two readers share splits the entries between them, and order is lost: a reader that
/// was paused and wakes up, or a dead connection that Redis still serves, takes entries away from
/// the one that goes on. So each session has groups: whoever begins to read makes some of its
/// own, where its predecessors had finished, and destroys theirs, which ends their reads. Should two
/// read at once all the same, each sees every entry in order; who stores them recognises what is
/// there already. Why two groups, see ``GroupNames``.
///
/// A stream or group that is missing is made again *from 0*: an entry too often is recognised
/// further on, an entry skipped is lost.
///
/// It has a client of its own for reading, because a blocking read holds a connection; all else goes
/// through the shared one of its event loop. A worker has no connection for reading but this
/// consumer's, and reads, pauses and stops by it.
///
/// On the event loop only.
package final class GroupConsumer {
  /// The condition for reading: a key beside the stream must hold this value.
  package struct Fence {
    package let key: RedisKey
    package let value: String

    /// - Parameter key: In the slot of the stream.
    package init(key: RedisKey, value: String) {
      self.key = key
      self.value = value
    }
  }

  let stream: RedisKey
  let family: String
  let instance: String
  let client: any RedisClient
  let reader: any RedisClient
  package let fence: Fence?
  let timeToLiveSeconds: Int?
  let logger: Logger
  /// See `GroupConsumer+Next`.
  var state = State.withoutSession
  var backoff = Backoff(
    baseMilliseconds: BusLimits.consumerBackoffBaseMilliseconds,
    capMilliseconds: BusLimits.consumerBackoffCapMilliseconds)
  /// The pause that a failure has made due.
  var pauseMilliseconds: Int64?
  /// See `GroupConsumer+Pause`.
  var pauseEnd: EventLoopPromise<Void>?
  var isAwaitingRedis = false
  var groups = GroupNames(session: "")
  /// The last entry that the session has given.
  var lastRead = Offset.zero
  /// Whether the groups are not as the session has left them, so that another one must begin.
  var isOutdated = false
  /// See `GroupConsumer+Finish`.
  var finished = FinishedEntries()
  var isStopping = false
  /// See `GroupConsumer+Read`.
  var reads = ReadsAhead<StreamEntry>()
  /// Lower than usual after a reply that exceeded its limit of bytes.
  var entriesPerRead = BusLimits.entriesPerRead
  /// Time that reads wait for entries, all that are sent at once together.
  var blockMilliseconds = BusLimits.blockMilliseconds
  /// The most bytes that a read may return.
  var maximumReplyBytes = RedisLimits.maximumEntriesReplyBytes

  /// - Parameters:
  ///   - family: what the names of all groups begin with that take turns at this stream; groups of
  ///     other names are others' business, and only hold back trimming.
  ///   - instance: who reads, for the names of the groups.
  ///   - reader: only this consumer's, on the event loop of `client`.
  ///   - client: for everything that does not block.
  ///   - fence: if given, a session begins only while it stands.
  ///   - timeToLiveSeconds: when the stream vanishes unless somebody extends it; nil for never.
  package init(
    stream: RedisKey, family: String, instance: InstanceID, reader: any RedisClient,
    client: any RedisClient, fence: Fence? = nil, timeToLiveSeconds: Int? = nil, logger: Logger
  ) {
    self.stream = stream
    self.family = family
    self.instance = instance.text
    self.reader = reader
    self.client = client
    self.fence = fence
    self.timeToLiveSeconds = timeToLiveSeconds
    self.logger = logger
  }

  /// Has ``next(maximum:)`` say that it is stopped: at once if it waits, and else when what it has given
  /// is finished.
  package func stop() async {
    self.isStopping = true
    self.pauseEnd?.succeed()
    try? await self.reader.close().get()
  }
}

extension RedisError {
  /// Whether the stream or its group is missing, so that a new session helps.
  package var isMissingGroup: Bool {
    guard case .server(let error) = self else { return false }
    // UNBLOCKED: the stream went away under a read that waited.
    return error.code == "NOGROUP" || error.code == "UNBLOCKED"
  }
}
