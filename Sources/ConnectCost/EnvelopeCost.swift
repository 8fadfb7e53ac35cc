import ConnectProtocol
import MessageBus
import Redis
import Settings

/// An envelope, as a gateway writes it into a command, and as messaging and the other gateway read it from a
/// reply.
struct EnvelopeCost {
  func run(_ operations: Int) throws {
    let stored = try Self.reply(of: CostUsers.envelope(to: 0))
    let target = UnsafeMutableRawBufferPointer.allocate(byteCount: stored.count, alignment: 1)
    defer { target.deallocate() }
    let (from, to) = (CostUsers.sender(0), CostUsers.recipient(0))
    var written = 0
    var read = 0
    CostUsers.body.withUnsafeBytes { body in
      for _ in 0..<operations {
        let draft = Envelope.Draft.message(
          from: from, to: to, id: CostUsers.message, flags: [], body: body)
        draft.write(to: target)
        written += draft.byteCount == stored.count ? 1 : 0
        guard let envelope = Envelope(stored), envelope.sender == from,
          envelope.recipient == to, envelope.messageID == CostUsers.message
        else { continue }
        read += stored.withUnsafeBytes { envelope.body(in: $0).count == body.count ? 1 : 0 }
      }
    }
    try CostFrames.check(written, of: operations, "envelopes were written")
    try CostFrames.check(read, of: operations, "envelopes were read")
  }

  /// The bytes as they come from Redis.
  private static func reply(of bytes: [UInt8]) throws -> ReplyBytes {
    var batch = RedisBatch()
    let place = batch.append("GET", "envelope").cursor()
    let text = Array("$\(bytes.count)\r\n".utf8) + bytes + Array("\r\n".utf8)
    let replies = try RedisReplies(parsing: text, count: 1)
    var cursor = try replies[place]
    guard let reply = try cursor.slice() else {
      throw Failure(.running, "the envelope was not read back")
    }
    return reply
  }
}
