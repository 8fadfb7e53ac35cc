import NIOCore

/// Messages from the bytes of the senders' sockets to the pipeline for the bus, and from its replies to
/// `accepted`.
struct PublishCost {
  /// Senders who write in the same turn of the loop.
  let batch: Int

  func run(_ operations: Int) throws {
    let gateway = try CostGateway((0..<self.batch).map(CostUsers.sender))
    let frames = (0..<self.batch).map { number in
      var frame = ByteBuffer()
      CostFrames.writeSend(to: number, &frame)
      return frame
    }
    var accepted = 0
    for _ in 0..<operations / self.batch {
      for (number, frame) in frames.enumerated() {
        try gateway.write(CostFrames.copy(of: frame), to: number)
      }
      try gateway.connections.settle()
      for number in frames.indices {
        accepted += try gateway.takeFrames("accepted", from: number)
      }
      try gateway.advanceTime(for: self.batch)
    }
    try gateway.connections.check(finishedThrough: .zero)
    try CostFrames.check(accepted, of: operations, "messages were accepted")
  }
}
