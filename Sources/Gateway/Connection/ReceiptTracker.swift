import ConnectProtocol
import DequeModule

/// Follows which acks may become the stored cursor.
///
/// Receipts come first: once the cursor is stored, nothing would cause them again. So an ack counts
/// as stored only when the receipts it caused are on the bus, and all before it. Acks wait in a queue;
/// those at its front whose receipts are all there may be stored.
///
/// Pure.
struct ReceiptTracker {
  /// Identifies the ack to which receipts belong.
  typealias Ticket = UInt64

  /// An ack that waits for receipts: its own, or those of an earlier ack.
  private struct Ack {
    var offset: Offset
    /// Number of receipts that the bus does not have yet.
    var missing: Int
  }

  /// A receipt, and the ack that caused it.
  struct Tracked: Hashable {
    let ticket: Ticket
    let receipt: DeliveryStateMachine.Receipt
  }

  /// The cursor may be stored up to this offset.
  private(set) var safe = Offset.zero
  /// Receipts that could not be published and will be tried again.
  private(set) var failed: [Tracked] = []
  /// Number of receipts being published.
  private(set) var underWay = 0
  private var acks = Deque<Ack>()
  /// The ticket of the first of `acks`.
  private var first: Ticket = 0

  /// The client has acked all up to `offset`.
  ///
  /// - Parameter receipts: how many are due for it, and published now.
  /// - Returns: what to tell with their results.
  mutating func acked(_ offset: Offset, receipts: Int) -> Ticket {
    self.underWay += receipts
    // One without receipts waits as long as the one before it, and so may share its place.
    if let last = self.acks.indices.last,
      receipts == 0 || self.acks.count >= GatewayLimits.trackedAcks
    {
      self.acks[last].offset = max(self.acks[last].offset, offset)
      self.acks[last].missing += receipts
    } else {
      self.acks.append(Ack(offset: offset, missing: receipts))
    }
    let ticket = self.first + UInt64(self.acks.count) - 1
    self.settle()
    return ticket
  }

  /// The bus has the receipts (`isTaken`), refused them, or was not given them.
  mutating func attempted(_ receipts: [Tracked], isTaken: Bool) {
    self.underWay -= receipts.count
    if isTaken {
      self.done(receipts)
    } else {
      self.failed += receipts
      let excess = max(0, self.failed.count - GatewayLimits.waitingReceipts)
      self.done(self.failed.prefix(excess))
      self.failed.removeFirst(excess)
    }
    self.settle()
  }

  /// Removes and returns the receipts to publish again.
  mutating func takeFailed() -> [Tracked] {
    defer { self.failed = [] }
    self.underWay += self.failed.count
    return self.failed
  }

  private mutating func done(_ receipts: some Sequence<Tracked>) {
    for receipt in receipts {
      precondition(receipt.ticket >= self.first, "an ack was settled before its receipts")
      self.acks[Int(receipt.ticket - self.first)].missing -= 1
    }
  }

  private mutating func settle() {
    while let ack = self.acks.first, ack.missing == 0 {
      self.safe = max(self.safe, ack.offset)
      self.acks.removeFirst()
      self.first += 1
    }
    // An idle connection holds no memory for what once waited.
    if self.acks.isEmpty { self.acks = Deque() }
  }
}
