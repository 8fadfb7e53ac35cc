import ConnectProtocol
import MessageBus
import NIOCore
import NIOEmbedded
import Redis
import ServiceMetrics
import Settings

/// The two connections to Redis of one event loop, without a network: one that is answered at once, and one that
/// reads, and waits for what its driver gives it.
///
/// On the thread that made it only, as its loop.
final class CostConnections {
  let loop: EmbeddedEventLoop
  let metrics = MetricsStore()
  let clients: any RedisClientFactory
  private let commands: EmbeddedChannel
  private let reads: EmbeddedChannel
  private(set) var redis = CostRedis()
  /// Several may have been sent ahead.
  private var waitingReads = 0

  init(on loop: EmbeddedEventLoop) throws {
    self.loop = loop
    let counters = RedisMetrics(factory: self.metrics)
    self.commands = try Self.channel(on: loop)
    self.reads = try Self.channel(on: loop)
    self.clients = Clients(
      shared: try ChannelClient(on: self.commands, metrics: counters),
      reader: try ChannelClient(on: self.reads, metrics: counters))
  }

  static func channel(on loop: EmbeddedEventLoop) throws -> EmbeddedChannel {
    let channel = EmbeddedChannel(loop: loop)
    channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1), promise: nil)
    return channel
  }

  /// Gives each event loop, of which there is one, the same two.
  private struct Clients: RedisClientFactory {
    let shared: ChannelClient
    let reader: ChannelClient

    func makeClient(on eventLoop: any EventLoop) -> any RedisClient { self.shared }

    func makeClient(on eventLoop: any EventLoop, only home: RedisKey.Home) -> any RedisClient {
      self.reader
    }
  }

  /// Runs the loop, and answers what is written, until nothing is.
  func settle() throws {
    self.loop.run()
    while let commands = try self.commands.readOutbound(as: ByteBuffer.self) {
      try self.commands.writeInbound(self.redis.replies(to: commands))
      self.loop.run()
    }
  }

  /// Answers the first of the reads that wait.
  func answerRead(_ reply: ByteBuffer) throws {
    while let read = try self.reads.readOutbound(as: ByteBuffer.self) {
      if self.redis.group.isEmpty { self.redis.group = Self.group(of: read) }
      self.waitingReads += 1
    }
    guard self.waitingReads > 0 else {
      throw Failure(.running, "nothing waits for entries of the stream")
    }
    self.waitingReads -= 1
    try self.reads.writeInbound(reply)
    try self.settle()
  }

  /// Ends the connection that reads, as a Redis that goes away does.
  func endReads() throws {
    self.reads.close(promise: nil)
    try self.settle()
  }

  /// Throws unless every command had its reply, and Redis knows that all entries up to this one are finished.
  func check(finishedThrough offset: Offset) throws {
    try CostFrames.check(self.redis.unknown, of: 0, "commands were unknown")
    guard self.redis.finished < offset else { return }
    throw Failure(
      .running, "entries are finished up to \(self.redis.finished), and should be up to \(offset)")
  }

  /// The consumer group that XREADGROUP names.
  private static func group(of read: ByteBuffer) -> [UInt8] {
    read.withUnsafeReadableBytes { raw in
      var position = 0
      return Array(CostCommand(raw, at: &position).second)
    }
  }
}
