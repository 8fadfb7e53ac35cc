import ConnectProtocol

/// What a chatter's message is sent with, and who says that it is read: its number in its conversation
/// says it, so that whoever sees the message can check that.
struct ChatTraits {
  let conversation: Int
  private let number: Int

  /// Nil for an id that no chatter gave.
  init?(_ id: MessageID) {
    let parts = id.text.split(separator: ".").compactMap { Int($0) }
    guard parts.count == 2, parts[1] >= 0 else { return nil }
    self.conversation = parts[0]
    self.number = parts[1]
  }

  init(_ place: Ledger.Place) {
    self.conversation = place.conversation
    self.number = place.number
  }

  /// Where it is in the ledger.
  var place: Ledger.Place { Ledger.Place(conversation: self.conversation, number: self.number) }
  var hasReceipt: Bool { self.number % FaultLimits.receiptEvery == 0 }
  var isQuiet: Bool { self.number % FaultLimits.quietEvery == FaultLimits.quietEvery - 1 }

  /// Whether the device with this number says that the conversation is read up to here.
  func isRead(on device: Int, of devices: Int) -> Bool {
    self.number % FaultLimits.readEvery == FaultLimits.readEvery - 1
      && self.read % devices == device
  }

  /// Whether its sender passes a signal on at the same time.
  var hasSignal: Bool { self.number % FaultLimits.signalEvery == 0 }

  /// Whether the sender is not told so.
  var isReadPrivately: Bool { self.read % FaultLimits.privateReadEvery == 0 }

  /// The number of the `read` that it causes.
  private var read: Int { self.number / FaultLimits.readEvery }
}
