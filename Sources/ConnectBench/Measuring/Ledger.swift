/// The messages of each conversation, and what became of them on every device of the recipient: two
/// bytes for each message, whatever its length.
///
/// All benchmarks count with it. A load of one event loop touches it there; chatters, who run in
/// parallel, share one behind the lock of ``ChatLedger``, which adds what only they need.
///
/// A conversation is what one user sends to another, and a message's number is its place in it.
/// Every message that is shown behind one of a higher number counts as reordered, whether it was
/// rejected for the moment or sent again on another connection: a user's messages come from one
/// device that has one connection at a time, and repeats everything unanswered on the next before it
/// sends anything new, so their order is promised. It is not where a sender was too late to repeat.
struct Ledger {
  /// Identifies a message.
  struct Place: Hashable {
    let conversation: Int
    let number: Int
  }

  enum Arrival: Equatable {
    /// For the first time, and in order.
    case first
    /// After the message with this number, which was sent later.
    case late(Int)
    /// After one that was sent later, which breaks no promise.
    case excused
    /// The device had it already.
    case again
    /// It was never sent.
    case unknown
  }

  /// The counts so far; each report prints those that its benchmark can change.
  struct Totals: Sendable {
    var sent = 0
    var accepted = 0
    var failed = 0
    /// Messages rejected, and not sent again.
    var refused = 0
    /// Temporary rejections; a message may have several.
    var postponed = 0
    /// Those of messages of senders that had sent others after them.
    var postponedOpenLoop = 0
    /// Messages shown to a device for the first time.
    var shown = 0
    /// Accepted messages still to be shown on some device of the recipient.
    var lost = 0
    var repeated = 0
    var reordered = 0
    /// Messages shown behind later ones, since their sender was too late to send again what was rejected.
    var excused = 0
    /// Messages shown in another order than on another device of the user.
    var disagreed = 0
    /// Messages shown with another body or sender than sent, or never sent.
    var garbled = 0
    /// Connections that ended unexpectedly.
    var disconnected = 0
    var reconnects = 0
    /// Clients that gave up, which none may.
    var gaveUp = 0

    var unanswered: Int { self.sent - self.accepted - self.refused }

    private static let counts: [any WritableKeyPath<Totals, Int> & Sendable] = [
      \.sent, \.accepted, \.failed, \.refused, \.postponed, \.postponedOpenLoop, \.shown,
      \.repeated, \.reordered, \.excused, \.disagreed, \.garbled, \.disconnected, \.reconnects,
      \.gaveUp,
    ]

    /// The counts between two moments, with what is lost by the later one.
    func since(_ earlier: Totals) -> Totals {
      var totals = self
      for count in Self.counts { totals[keyPath: count] -= earlier[keyPath: count] }
      return totals
    }
  }

  private struct Marks: OptionSet {
    let rawValue: UInt16
    static let accepted = Marks(rawValue: 1 << 0)
    static let failed = Marks(rawValue: 1 << 1)
    static func shown(on device: Int) -> Marks { Marks(rawValue: 1 << (8 + UInt16(device))) }
    static func shown(onAll devices: Int) -> Marks {
      Marks(rawValue: ((1 << UInt16(devices)) - 1) << 8)
    }
  }

  private struct Conversation {
    /// Devices that are to be shown everything.
    let devices: Int
    var messages: [Marks] = []
    /// Messages sent before this number may be lost.
    var excused = 0
    /// Messages sent before this number may be shown in another order.
    var orderExcused = 0
    /// The highest number that each device of the recipient was shown.
    var highest: [Int]

    func isUnderWay(_ number: Int) -> Bool {
      let marks = self.messages[number]
      return number >= self.excused && marks.contains(.accepted) && !marks.contains(.failed)
        && !marks.contains(.shown(onAll: self.devices))
    }
  }

  private var conversations: [Conversation] = []
  var totals = Totals()
  private(set) var latencies = Latencies()

  /// Another conversation.
  ///
  /// - Parameters:
  ///   - devices: how many the recipient has that are to be shown everything.
  ///   - newcomers: how many follow that may be shown less. Up to 8 together, as a mark has a bit for each.
  /// - Returns: its number.
  mutating func add(devices: Int, newcomers: Int = 0) -> Int {
    let all = devices + newcomers
    precondition((0...8).contains(all), "a mark has a bit for each of eight devices")
    self.conversations.append(
      Conversation(devices: devices, highest: Array(repeating: -1, count: all)))
    return self.conversations.count - 1
  }

  // MARK: Sending

  /// The number of a conversation's next message, which counts as sent from now on.
  mutating func next(in conversation: Int) -> Int {
    self.totals.sent += 1
    self.conversations[conversation].messages.append([])
    return self.conversations[conversation].messages.count - 1
  }

  /// Takes back the last message of a conversation, which was not sent after all.
  mutating func takeBack(in conversation: Int) {
    self.totals.sent -= 1
    self.conversations[conversation].messages.removeLast()
  }

  /// - Returns: Whether it was not accepted before.
  @discardableResult
  mutating func accepted(_ place: Place) -> Bool {
    guard self.contains(place), self.mark(place, .accepted) else { return false }
    self.totals.accepted += 1
    return true
  }

  mutating func refused() { self.totals.refused += 1 }

  /// It came back to its sender.
  ///
  /// - Returns: whether it had not before.
  mutating func failed(_ place: Place) -> Bool {
    guard self.contains(place), self.mark(place, .failed) else { return false }
    self.totals.failed += 1
    return true
  }

  /// Messages sent so far may be lost from now on, but neither repeated nor reordered.
  mutating func excuseLosses() {
    for index in self.conversations.indices {
      self.conversations[index].excused = self.conversations[index].messages.count
    }
    self.totals.lost = 0
  }

  /// Messages sent so far in a conversation may be reordered from now on, but neither lost nor repeated.
  mutating func excuseOrder(in conversation: Int) {
    self.conversations[conversation].orderExcused = self.conversations[conversation].messages.count
  }

  // MARK: Receiving

  /// A device was shown a message.
  ///
  /// - Parameter latency: in nanoseconds; nil if it says nothing.
  @discardableResult
  mutating func shown(_ place: Place, on device: Int, latency: UInt64?) -> Arrival {
    guard self.contains(place) else {
      self.totals.garbled += 1
      return .unknown
    }
    guard self.mark(place, .shown(on: device)) else {
      self.totals.repeated += 1
      return .again
    }
    self.totals.shown += 1
    if let latency { self.latencies.record(nanoseconds: latency) }
    let highest = self.conversations[place.conversation].highest[device]
    guard place.number > highest else {
      guard place.number >= self.conversations[place.conversation].orderExcused else {
        self.totals.excused += 1
        return .excused
      }
      self.totals.reordered += 1
      return .late(highest)
    }
    self.conversations[place.conversation].highest[device] = place.number
    return .first
  }

  /// The latencies since the last call.
  mutating func takeLatencies() -> Latencies {
    defer { self.latencies = Latencies() }
    return self.latencies
  }

  private mutating func mark(_ place: Place, _ mark: Marks) -> Bool {
    let wasUnderWay = self.isUnderWay(place)
    let isNew = self.conversations[place.conversation].messages[place.number].insert(mark).inserted
    let isUnderWay = self.isUnderWay(place)
    if wasUnderWay != isUnderWay { self.totals.lost += isUnderWay ? 1 : -1 }
    return isNew
  }

  // MARK: Asking

  func contains(_ place: Place) -> Bool {
    self.conversations.indices.contains(place.conversation)
      && self.conversations[place.conversation].messages.indices.contains(place.number)
  }

  /// Whether it was accepted, may not be lost, and is still to be shown on some device.
  func isUnderWay(_ place: Place) -> Bool {
    self.conversations[place.conversation].isUnderWay(place.number)
  }

  /// Some of these messages.
  func underWay(atMost limit: Int) -> [Place] {
    guard self.totals.lost > 0 else { return [] }
    let places = self.conversations.indices.lazy.flatMap { conversation in
      self.conversations[conversation].messages.indices.lazy.map {
        Place(conversation: conversation, number: $0)
      }
    }
    return Array(places.filter(self.isUnderWay).prefix(limit))
  }

  func isExcused(_ place: Place) -> Bool {
    place.number < self.conversations[place.conversation].excused
  }

  /// The devices that were to be shown a message, and were not.
  func missing(_ place: Place) -> [Int] {
    let conversation = self.conversations[place.conversation]
    return (0..<conversation.devices).filter {
      !conversation.messages[place.number].contains(.shown(on: $0))
    }
  }

  /// The number that the next message of each conversation will have.
  var ends: [Int] { self.conversations.map(\.messages.count) }

  /// Conversations of which the recipient's first device was shown nothing from `ends` on.
  func quiet(since ends: [Int]) -> Int {
    zip(self.conversations, ends).count { $0.highest[0] < $1 }
  }

  /// Whether a message sent after `ends` was accepted in one of the conversations.
  func hasAccepted(of conversations: [Int], since ends: [Int]) -> Bool {
    conversations.contains { index in
      self.conversations[index].messages.dropFirst(ends[index]).contains { $0.contains(.accepted) }
    }
  }
}
