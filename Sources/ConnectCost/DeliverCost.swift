import ConnectProtocol
import MessageBus
import NIOCore

/// Messages from a read of the gateway's stream to the recipients' sockets, and their acks to the cursors.
struct DeliverCost {
  /// Messages of one entry of the stream, each for a recipient of its own.
  let batch: Int

  func run(_ operations: Int) throws {
    let gateway = try CostGateway((0..<self.batch).map(CostUsers.recipient))
    let bare = gateway.gateway
    var delivered = 0
    // As in `StoreCost`.
    let work = Task(executorPreference: bare.executor) { await bare.deliver() }
    try gateway.connections.settle()
    var entries = CostDeliveries(batch: self.batch)
    for _ in 0..<operations / self.batch {
      try gateway.connections.answerRead(entries.next())
      for number in 0..<self.batch {
        delivered += try gateway.takeFrames("message", from: number)
        try gateway.write(entries.ack(of: number), to: number)
      }
      try gateway.connections.settle()
      try gateway.advanceTime(for: self.batch)
    }
    // Those of the last second, if it was not a whole one, wait for company.
    let seconds = operations / CostLimits.operationsPerSecond
    let finished = seconds * CostLimits.operationsPerSecond / self.batch
    try gateway.connections.check(finishedThrough: CostUsers.offset(finished))
    work.cancel()
    try gateway.connections.endReads()
    try CostFrames.check(delivered, of: operations, "messages were delivered")
  }
}

/// Replies to reads of a gateway's stream: one entry, with a message for each recipient. Each message says
/// which was before it, as messaging does.
private struct CostDeliveries {
  private let template: ByteBuffer
  /// Where the digits of the entry's id are.
  private let digits: Int
  /// Where each push has the offset before it, and its own.
  private let offsets: [Int]
  private let ackFrame: ByteBuffer
  private let ackDigits: Int
  private let batch: Int
  private var round = 0

  init(batch: Int) {
    self.batch = batch
    var payload = ByteBuffer()
    payload.writeInteger(1 as UInt8)
    var offsets: [Int] = []
    for recipient in 0..<batch {
      let envelope = CostUsers.envelope(to: recipient)
      payload.writeInteger(1 as UInt8)
      payload.writeInteger(UInt32(32 + envelope.count))
      offsets.append(payload.writerIndex)
      for _ in 0..<4 { payload.writeInteger(0 as UInt64) }
      payload.writeBytes(envelope)
    }
    var reply = ByteBuffer(string: "*1\r\n*2\r\n$6\r\nstream\r\n*1\r\n*2\r\n$15\r\n")
    self.digits = reply.writerIndex
    reply.writeString("\(CostUsers.offset(0))\r\n*2\r\n$1\r\nm\r\n$\(payload.readableBytes)\r\n")
    let start = reply.writerIndex
    reply.writeImmutableBuffer(payload)
    reply.writeString("\r\n")
    self.template = reply
    self.offsets = offsets.map { start + $0 }
    var ack = ByteBuffer()
    CostFrames.writeAck(0, maskKey: 0, &ack)
    self.ackFrame = ack
    self.ackDigits = ack.readableBytes - "\(CostUsers.offset(0))\"}".utf8.count
  }

  mutating func next() -> ByteBuffer {
    self.round += 1
    var reply = CostFrames.copy(of: self.template)
    reply.setMilliseconds(of: self.round, at: self.digits)
    let before = CostLimits.firstOffsetMilliseconds + UInt64(self.round - 1)
    for offset in self.offsets {
      reply.setInteger(before, at: offset)
      reply.setInteger(before + 1, at: offset + 16)
    }
    return reply
  }

  /// The ack of the last message to a recipient.
  func ack(of number: Int) -> ByteBuffer {
    var ack = CostFrames.copy(of: self.ackFrame)
    ack.setMilliseconds(of: self.round, at: self.ackDigits)
    return ack
  }
}
