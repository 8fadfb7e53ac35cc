/// # Redis
///
/// A Redis client on SwiftNIO whose replies hiredis parses: batches in, replies out in the same
/// order, every call bound to one event loop. It knows nothing of chat; streams and hashes as
/// Connect uses them are `MessageBus`'s.
///
/// - `Client/` is the interface: ``RedisClient`` takes a ``RedisBatch`` and answers ``RedisReplies``.
/// - `Connection/` is one connection to one server.
/// - `RESP/` is the encoding of commands and the decoding of replies.

/// Every limit and default of the client, each with its unit.
public enum RedisLimits {
  /// How long the TCP connection and the handshake (AUTH, SELECT, PING) may take together.
  public static let connectTimeoutMilliseconds: Int64 = 5_000

  /// How long a batch may wait for its last reply. Then the connection is closed: replies come in
  /// order, so nothing behind a lost one would ever be answered.
  public static let commandTimeoutMilliseconds: Int64 = 5_000

  /// What a blocking read is given beyond the time it asked Redis to block.
  public static let blockingReadGraceMilliseconds: Int64 = 2_000

  /// The first reconnect is tried after a random time up to this; see ``Backoff``.
  public static let reconnectBaseMilliseconds: Int64 = 50

  /// No reconnect waits longer than this.
  public static let reconnectCapMilliseconds: Int64 = 2_000

  /// Bytes of commands that one connection may have written and not yet seen answered. A batch that
  /// finds more is refused as unavailable: Redis is slower than what is asked of it.
  public static let maximumUnansweredBytes = 64 * 1024 * 1024

  /// The default port of Redis.
  public static let defaultPort = 6379
}
