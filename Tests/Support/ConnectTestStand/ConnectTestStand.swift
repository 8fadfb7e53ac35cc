// ConnectTestStand: a whole Connect in the process of a test: a real redis-server, messaging and
// gateways on free ports, and clients that can break every rule of the protocol.

/// Every limit of the stand, each with its unit.
package enum TestLimits {
  /// Stands that run at a time. Each has a redis-server, two threads, and a connection per partition, and
  /// waits for most of its time.
  static let concurrentStands = 6

  /// Frames that a failure quotes.
  static let quotedFrames = 8
}
