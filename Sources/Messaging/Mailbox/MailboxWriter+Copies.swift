import ConnectProtocol
import MessageBus

/// Messages of which their senders get copies.
extension MailboxWriter {
  package struct Original {
    /// The place on the bus of the entry that is copied.
    package let offset: Offset
    /// The message as the recipient has it.
    package let envelope: Envelope
    /// Its place in the recipient's mailbox.
    package let peerOffset: Offset
    /// When it was sent, in milliseconds since 1970.
    package let at: UInt64
    /// Whether its sender may have a copy already.
    package let mayBeCopied: Bool
  }

  /// A message that its sender has sent again, in one batch with the first.
  struct Repeat {
    let item: Item
    let first: Item
  }

  /// What is to be copied of a repeat; nil for nothing.
  ///
  /// - Parameter places: where the mailbox has what it did not take under its offset on the bus.
  func original(of again: Repeat, places: [Offset: Offset] = [:]) -> Original? {
    let first = again.first
    return self.original(
      of: again.item, relocatedTo: places[first.offset] ?? first.offset, as: first.envelope,
      sentAt: first.offset.milliseconds, wasStored: true)
  }

  /// What is to be copied of an item that the mailbox has at `entry`, or had; nil for nothing. Whoever
  /// stored it may have copied it, too.
  func original(of item: Item, at entry: Mailbox.Entry) -> Original? {
    self.original(
      of: item, relocatedTo: entry.offset, as: entry.envelope ?? item.envelope,
      sentAt: entry.sentAtMilliseconds, wasStored: true)
  }

  /// What is to be copied of an item; nil for nothing.
  ///
  /// A message is copied if its sender wants that. One that only asks for a receipt is copied if it stands
  /// elsewhere than the sender was told: positions are told in offsets of the recipient's mailbox.
  ///
  /// - Parameter place: its place in the mailbox, if that is not the offset on the bus.
  func original(
    of item: Item, relocatedTo place: Offset? = nil, as stored: Envelope? = nil,
    sentAt: UInt64? = nil, wasStored: Bool = false
  ) -> Original? {
    let flags = item.envelope.flags
    let place = place ?? item.offset
    guard item.envelope.kind == .message,
      flags.contains(.copy) || (flags.contains(.receipt) && place != item.offset),
      !item.envelope.isToOneself
    else { return nil }
    return Original(
      offset: item.offset, envelope: stored ?? item.envelope, peerOffset: place,
      at: sentAt ?? item.offset.milliseconds,
      mayBeCopied: wasStored || place != item.offset || flags.contains(.retry)
        || item.offset <= self.seenBefore)
  }
}
