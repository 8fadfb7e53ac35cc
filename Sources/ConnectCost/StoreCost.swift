import ConnectProtocol
import MessageBus
import Messaging
import NIOCore
import NIOEmbedded

/// Messages from a read of their partition to the mailboxes, to the stream of the gateway that holds the
/// recipients, and to their acknowledgement.
struct StoreCost {
  /// Entries of one read, each for a recipient of its own.
  let batch: Int

  private static let partition = PartitionMap().all[0]

  func run(_ operations: Int) throws {
    let loop = EmbeddedEventLoop()
    let connections = try CostConnections(on: loop)
    let keys = Keys(partitions: PartitionMap())
    let partition = BarePartition(
      Self.partition,
      configuration: MessagingConfiguration(id: InstanceID("messaging-1")!, keys: keys),
      eventLoop: loop, clients: connections.clients, metrics: connections.metrics,
      logger: CostGateway.silent)
    // Unstructured, since the main function is synchronous. It works on this thread, in the turns of the loop.
    let work = Task(executorPreference: partition.executor) { await partition.run() }
    try connections.settle()
    var entries = CostEntries(batch: self.batch)
    for _ in 0..<operations / self.batch { try connections.answerRead(entries.next()) }
    let finished = operations / BusLimits.acknowledgeEntries * BusLimits.acknowledgeEntries
    try connections.check(
      finishedThrough: finished == 0 ? .zero : CostUsers.offset(finished - 1))
    work.cancel()
    try connections.endReads()
    try CostFrames.check(connections.redis.stored, of: operations, "messages were stored")
    try CostFrames.check(
      connections.redis.pushes, of: operations / self.batch, "entries were pushed")
  }
}

/// Replies to reads of a partition. Each recipient comes in turn, since what is remembered of a mailbox counts.
private struct CostEntries {
  private struct Entry {
    let bytes: ByteBuffer
    /// Where the digits of the offset are.
    let digits: Int
  }

  private let head: ByteBuffer
  private let entries: [Entry]
  private let batch: Int
  private var number = 0

  init(batch: Int) {
    self.batch = batch
    self.head = ByteBuffer(string: "*1\r\n*2\r\n$9\r\npartition\r\n*\(batch)\r\n")
    self.entries = (0..<CostLimits.batch).map { recipient in
      var bytes = ByteBuffer(string: "*2\r\n$15\r\n")
      let digits = bytes.writerIndex
      bytes.writeString("\(CostUsers.offset(0))\r\n*2\r\n$1\r\nm\r\n")
      bytes.writeBulk(CostUsers.envelope(to: recipient))
      return Entry(bytes: bytes, digits: digits)
    }
  }

  mutating func next() -> ByteBuffer {
    var reply = ByteBuffer()
    reply.reserveCapacity(
      self.head.readableBytes + self.batch * self.entries[0].bytes.readableBytes)
    reply.writeImmutableBuffer(self.head)
    for _ in 0..<self.batch {
      let entry = self.entries[self.number % self.entries.count]
      let start = reply.writerIndex
      reply.writeImmutableBuffer(entry.bytes)
      reply.setMilliseconds(of: self.number, at: start + entry.digits)
      self.number += 1
    }
    return reply
  }
}
