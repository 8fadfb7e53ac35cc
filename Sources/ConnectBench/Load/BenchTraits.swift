/// What the users of a load do besides writing messages.
struct BenchTraits: Sendable, Hashable {
  /// Whether messages ask for a receipt, and are said to be read.
  var receipts = false
  /// Whether messages are copied to their sender.
  var copies = false
  /// Of so many messages one is announced by a typing signal; 0 for none.
  var messagesPerSignal = 0
  /// Whether each connection asks for the list of conversations.
  var lists = false
  /// Of so many users one has a second device; 0 for none.
  var usersPerSecondDevice = 0
  /// Of so many users one is offline; 0 for none.
  var usersPerAbsence = 0

  /// The project's measure of a conversation.
  static let likePeople = BenchTraits(
    receipts: true, copies: true, messagesPerSignal: 2, lists: true, usersPerSecondDevice: 3,
    usersPerAbsence: 10)

  /// How many devices of a user are connected.
  func devices(ofUser number: Int) -> Int {
    if self.usersPerAbsence > 0, number % self.usersPerAbsence == self.usersPerAbsence - 1 {
      return 0
    }
    return self.usersPerSecondDevice > 0 && number % self.usersPerSecondDevice == 0 ? 2 : 1
  }

  func isAnnounced(_ message: Int) -> Bool {
    self.messagesPerSignal > 0 && message % self.messagesPerSignal == 0
  }
}
