import ArgumentParser

/// A step of a message's path whose instructions are counted.
enum CostStep: String, CaseIterable, ExpressibleByArgument {
  /// The bytes of a socket to a parsed `send` and a parsed `ack`.
  case frameIn = "frame-in"
  /// An envelope written, read, and its names.
  case envelope
  /// A `send` on a gateway's connection, to the `XADD` for the bus, to `accepted`.
  case publish
  /// A read of a partition, to the mailboxes, to the gateways' streams, to what is acknowledged.
  case store
  /// A read of a gateway's stream, to frames for the sockets, to the acks and the cursors.
  case deliver
  /// An `accepted` and a `message` as bytes for a socket.
  case frameOut = "frame-out"

  /// Runs so many operations, in rounds of `batch`.
  func run(_ operations: Int, batch: Int) throws {
    switch self {
    case .frameIn: try FrameInCost().run(operations)
    case .envelope: try EnvelopeCost().run(operations)
    case .publish: try PublishCost(batch: batch).run(operations)
    case .store: try StoreCost(batch: batch).run(operations)
    case .deliver: try DeliverCost(batch: batch).run(operations)
    case .frameOut: try FrameOutCost().run(operations)
    }
  }
}
