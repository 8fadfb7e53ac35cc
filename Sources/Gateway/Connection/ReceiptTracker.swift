import ConnectProtocol

/// Follows which acks may become the stored cursor.
///
/// Receipts come first: once the cursor is stored, nothing would cause them again. So an ack counts
/// as stored only when the receipts it caused are on the bus, and all before it.
///
/// Pure.
struct ReceiptTracker {
  /// The cursor may be stored up to here.
  private(set) var safe = Offset.zero
  /// Receipts that could not be published, and wait to be tried again.
  private(set) var failed: [DeliveryStateMachine.Receipt] = []
  private var underWay = 0
  private var acked = Offset.zero

  /// The client has acked, and no receipt is due for it.
  mutating func acked(_ offset: Offset) {
    self.acked = max(self.acked, offset)
    self.settle()
  }

  /// Receipts go to the bus.
  mutating func publishing() { self.underWay += 1 }

  /// The bus has taken them, or not.
  mutating func published(_ receipts: [DeliveryStateMachine.Receipt], isTaken: Bool) {
    self.underWay -= 1
    if !isTaken {
      self.failed += receipts
      self.failed.removeFirst(max(0, self.failed.count - GatewayLimits.waitingReceipts))
    }
    self.settle()
  }

  /// Takes what is to be tried again.
  mutating func takeFailed() -> [DeliveryStateMachine.Receipt] {
    defer { self.failed = [] }
    return self.failed
  }

  private mutating func settle() {
    if self.underWay == 0, self.failed.isEmpty { self.safe = self.acked }
  }
}
