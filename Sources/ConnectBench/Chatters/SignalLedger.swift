import ConnectProtocol

/// The signals that users have passed on, and what is wrong with those that devices were told. Pure.
struct SignalLedger {
  struct Totals: Sendable, Equatable {
    var sent = 0
    /// Signals that devices were told.
    var told = 0
    /// Those that came later than a signal may.
    var late = 0
    /// Those that a device had been told before, and not by an earlier connection.
    var again = 0
    /// Those that nobody sent to this user.
    var astray = 0
  }

  enum Fault: Hashable {
    case late, again, astray
  }

  /// What the signals are called.
  static let name: MessageID = {
    guard let name = MessageID("fault.signal") else { preconditionFailure("it is a message id") }
    return name
  }()

  private let directions: [ChatLedger.Direction]
  /// Of each conversation's signals the devices that were told it, a bit for each.
  private var told: [[UInt8]]
  private(set) var totals = Totals()

  init(directions: [ChatLedger.Direction]) {
    self.directions = directions
    self.told = directions.map { _ in [] }
  }

  /// The number of the next signal in a conversation, which counts as sent from now on.
  mutating func next(in conversation: Int) -> Int {
    self.totals.sent += 1
    self.told[conversation].append(0)
    return self.told[conversation].count - 1
  }

  /// A device of `user` was told a signal.
  ///
  /// - Parameters:
  ///   - place: of the signal, as its body says; nil if it says none.
  ///   - age: the time since a gateway took it; nil on a device that is late on purpose.
  ///   - isOlder: whether it was taken before the device's connection began: then the gateway of an earlier one may
  ///     have told it, too.
  ///   - stall: how long this process may have had it already.
  mutating func told(
    _ place: Ledger.Place?, from sender: Int?, to user: Int, on device: Int, age: Duration?,
    isOlder: Bool, stall: Duration = .zero
  ) -> Set<Fault> {
    self.totals.told += 1
    guard let place, self.told.indices.contains(place.conversation),
      self.told[place.conversation].indices.contains(place.number),
      self.directions[place.conversation].from == sender,
      self.directions[place.conversation].to == user
    else {
      self.totals.astray += 1
      return [.astray]
    }
    var faults: Set<Fault> = []
    let bit = UInt8(1) << UInt8(device)
    if self.told[place.conversation][place.number] & bit != 0, !isOlder {
      self.totals.again += 1
      faults.insert(.again)
    }
    self.told[place.conversation][place.number] |= bit
    if let age, age > FaultLimits.signalAge + FaultLimits.signalSlack + stall {
      self.totals.late += 1
      faults.insert(.late)
    }
    return faults
  }
}
