import ConnectProtocol
import NIOCore
import Settings
import WebSocket

/// What clients say for a message: the sender's `send`, and the recipient's `ack`.
struct FrameInCost {
  func run(_ operations: Int) throws {
    var frames = ByteBuffer()
    CostFrames.writeSend(to: 0, &frames)
    CostFrames.writeAck(0, maskKey: CostFrames.maskKey, &frames)
    var decoder = WebSocketDecoder(role: .server, maximumMessageBytes: 65_536)
    var sends = 0
    var acks = 0
    for _ in 0..<operations {
      decoder.append(CostFrames.copy(of: frames))
      while let event = try decoder.next() {
        guard case .text(let payload) = event else { continue }
        switch try payload.withUnsafeReadableBytes({ try ClientFrame.scan($0) }) {
        case .send(let send): sends += send.body.isEmpty ? 0 : 1
        case .ack(let offset): acks += offset == CostUsers.offset(0) ? 1 : 0
        default: break
        }
      }
    }
    try CostFrames.check(sends, of: operations, "sends were read")
    try CostFrames.check(acks, of: operations, "acks were read")
  }
}

/// What clients are told of a message: `accepted` to the sender, `message` to the recipient.
struct FrameOutCost {
  func run(_ operations: Int) throws {
    var sender = CostUsers.sender(0).text
    var id = CostUsers.message.text
    var written = 0
    sender.withUTF8 { sender in
      id.withUTF8 { id in
        CostUsers.body.withUnsafeBytes { body in
          for number in 0..<operations {
            let offset = CostUsers.offset(number)
            var accepted = ByteBuffer()
            accepted.writeWebSocketFrame(.text) {
              _ = $0.writeAccepted(id: UnsafeRawBufferPointer(id), offset: offset)
            }
            var message = ByteBuffer()
            message.writeWebSocketFrame(.text) {
              $0.writeMessage(
                offset: offset, from: UnsafeRawBufferPointer(sender),
                id: UnsafeRawBufferPointer(id), at: offset.milliseconds, body: body)
            }
            written += CostFrames.count("accepted", in: accepted)
            written += CostFrames.count("message", in: message)
          }
        }
      }
    }
    try CostFrames.check(written, of: 2 * operations, "frames were written")
  }
}

/// Frames as the drivers write them, and as they look at them.
enum CostFrames {
  static let maskKey: UInt32 = 0x5a3c_9671

  static func writeSend(to number: Int, _ buffer: inout ByteBuffer) {
    buffer.writeWebSocketFrame(.text, maskKey: Self.maskKey) {
      _ = $0.writeSend(
        id: CostUsers.message, to: CostUsers.recipient(number), body: CostUsers.body)
    }
  }

  /// - Parameter maskKey: 0 leaves the offset's digits as they are, so that others can be put in their
  ///   place.
  static func writeAck(_ number: Int, maskKey: UInt32, _ buffer: inout ByteBuffer) {
    buffer.writeWebSocketFrame(.text, maskKey: maskKey) {
      _ = $0.writeAck(CostUsers.offset(number))
    }
  }

  /// A buffer of its own, as a socket's read gives.
  static func copy(of frames: ByteBuffer) -> ByteBuffer {
    var copy = ByteBuffer()
    copy.reserveCapacity(frames.readableBytes)
    copy.writeImmutableBuffer(frames)
    return copy
  }

  /// 1 if the first frame of a server is of this type, and else 0.
  static func count(_ type: StaticString, in frames: ByteBuffer) -> Int {
    frames.withUnsafeReadableBytes { raw in
      let header = raw.count > 1 && raw[1] < 126 ? 2 : 4
      let start = header + #"{"type":""#.utf8.count
      guard raw.count >= start + type.utf8CodeUnitCount else { return 0 }
      let wanted = UnsafeRawBufferPointer(start: type.utf8Start, count: type.utf8CodeUnitCount)
      return raw[start..<start + wanted.count].elementsEqual(wanted) ? 1 : 0
    }
  }

  static func check(_ count: Int, of operations: Int, _ what: String) throws(Failure) {
    guard count == operations else {
      throw Failure(.running, "\(count) of \(operations) \(what): this count is worth nothing")
    }
  }
}
