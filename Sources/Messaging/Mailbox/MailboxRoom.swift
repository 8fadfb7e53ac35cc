import MessageBus

/// Space left in a mailbox: entries, and bytes of their envelopes.
struct MailboxRoom: Hashable {
  private var entries = Int.max
  private var bytes = Int.max

  /// Room without a limit.
  init() {}

  /// Room that `limits` leave to a mailbox of this size.
  init(within limits: MailboxLimits, length: Int, bytes: Int) {
    self.entries = limits.entries - max(0, length)
    self.bytes = limits.bytes - bytes
  }

  func fits(_ item: MailboxWriter.Item) -> Bool {
    self.entries > 0 && self.bytes >= item.envelope.bytes.count
  }

  func fits(_ items: [MailboxWriter.Item]) -> Bool {
    self.entries >= items.count && self.bytes >= items.byteCount
  }

  mutating func take(_ item: MailboxWriter.Item) {
    self.entries -= 1
    self.bytes -= item.envelope.bytes.count
  }
}
