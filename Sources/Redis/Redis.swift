/// # Redis
///
/// A Redis client on SwiftNIO whose replies hiredis parses: batches in, replies out in the same
/// order, every call bound to one event loop. It knows nothing of chat; streams and hashes as
/// Connect uses them are `MessageBus`'s.
///
/// - `Client/` is the interface: ``RedisClient`` takes a ``RedisBatch`` and answers ``RedisReplies``;
///   ``RedisClients`` finds out what stands behind a URL and makes the clients for it.
/// - `Cluster/` is the client for a cluster: which node has what, and what to do while that changes.
/// - `Connection/` is one connection to one server.
/// - `RESP/` is the encoding of commands and the decoding of replies.

/// Every limit and default of the client, each with its unit.
package enum RedisLimits {
  /// How long the TCP connection, the TLS handshake and the login (AUTH, SELECT, PING) may take
  /// together.
  package static let connectTimeoutMilliseconds: Int64 = 5_000

  /// How long a batch may wait for its last reply. Then the connection is closed: replies come in
  /// order, so nothing behind a lost one would ever be answered.
  package static let commandTimeoutMilliseconds: Int64 = 5_000

  /// Time that a blocking read gets beyond the time it asks Redis to block.
  package static let blockingReadGraceMilliseconds: Int64 = 2_000

  /// The first reconnect is tried after a random time up to this; see ``Backoff``.
  package static let reconnectBaseMilliseconds: Int64 = 50

  /// The longest wait before a reconnect.
  package static let reconnectCapMilliseconds: Int64 = 2_000

  /// A server may close a connection on which nothing is under way once it is older than this; sooner,
  /// something is wrong. Redis's shortest `timeout` is a second.
  static let idleCloseMilliseconds: Int64 = 1_000

  /// Bytes of commands that one connection may have written and not yet seen answered. A batch that
  /// finds more is refused as unavailable: Redis is slower than what is asked of it.
  package static let maximumUnansweredBytes = 64 * 1024 * 1024

  /// The longest reply to a command of the login, in bytes as they come: before it nothing is known of
  /// who answers.
  package static let maximumLoginReplyBytes = 16 * 1024

  /// The longest reply to any other command, in bytes as they come: a hash of half a million devices.
  /// One that is longer closes the connection.
  package static let maximumReplyBytes = 64 * 1024 * 1024

  /// The longest reply to a read of stream entries, in bytes as they come: 128 entries, the most
  /// that one read asks for, of 2 MiB. Consumers and pages ask for fewer when theirs was longer; look-ups
  /// of repeats do not, so frames should not be allowed to be larger than that.
  package static let maximumEntriesReplyBytes = 256 * 1024 * 1024

  /// Nothing is counted in Redis beyond this: 2^48. What claims to be more is not a count, and a few
  /// thousand counts can be added up.
  package static let maximumCount = 1 << 48

  /// Bytes kept of an error that Redis answers.
  package static let maximumErrorBytes = 1_024

  /// Characters shown, in a log or a table row, of a text that others wrote.
  package static let maximumShownCharacters = 512

  /// The most primaries of a cluster that are believed. Redis recommends at most 1,000 nodes.
  package static let maximumPrimaries = 1_024

  /// The longest accepted name of a cluster node, in bytes: that of a domain name.
  static let maximumHostBytes = 255

  /// The longest password in a file, in bytes.
  package static let maximumPasswordBytes = 4_096

  /// How often a command is sent at most while a cluster answers that another node has it, or that
  /// nobody can at the moment. Then the caller gets the last answer.
  package static let maximumRedirects = 16

  /// Wait before such a command is sent again, if it must wait: at random up to this, which doubles
  /// with each attempt up to ``redirectCapMilliseconds``.
  package static let redirectBaseMilliseconds: Int64 = 5

  /// The longest such wait. So a command is tried for about two seconds.
  package static let redirectCapMilliseconds: Int64 = 250

  /// How often a process refreshes the topology if nothing makes it do so earlier.
  package static let topologyRefreshSeconds: Int64 = 60

  /// Two such questions lie so far apart at least. An answer takes as long to be right as the cluster
  /// takes for a failover: seconds.
  package static let topologyRefreshMilliseconds: Int64 = 250

  /// The most nodes asked for the topology in one refresh, until one answers.
  package static let nodesPerRefresh = 8

  package static let defaultPort = 6379
}
