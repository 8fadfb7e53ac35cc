import ConnectProtocol
import Settings
import Synchronization

/// What every user sent and what became of it on every device of its recipient: a few bytes for each
/// message, whatever its length.
///
/// A message's number is its place among all that one user enqueued for another. Its id says which
/// two, and the number.
///
/// Every message that is shown behind one of a higher number counts as reordered, whether it was
/// rejected for the moment or sent again on another connection: a user's messages come from one device
/// that has one connection at a time, and repeats everything unanswered on the next before it sends
/// anything new, so their order is promised. What is not, and is not counted, is the order of messages
/// of different senders, beyond being the same on every device.
final class Ledger: Sendable {
  /// One sender and one recipient.
  struct Direction: Hashable, Sendable {
    let from: Int
    let to: Int
  }

  private struct Marks: OptionSet {
    let rawValue: UInt16
    static let accepted = Marks(rawValue: 1 << 0)
    static let failed = Marks(rawValue: 1 << 1)
    /// The server refused it for good.
    static let refused = Marks(rawValue: 1 << 2)
    static func shown(on device: Int) -> Marks { Marks(rawValue: 1 << (8 + UInt16(device))) }
  }

  private struct Message {
    var marks: Marks = []
    /// Its place among all that was shown to its recipient, on the device that was first; from 1.
    var rank: UInt32 = 0
    /// When it was enqueued, in milliseconds since the ledger's start.
    let enqueued: UInt32
  }

  private struct Conversation {
    let direction: Direction
    var messages: [Message] = []
    /// What was enqueued before this number may be lost: the keyspace was thrown away.
    var excused = 0
    /// The highest number that each device of the recipient was shown.
    var highest: [Int]
  }

  private struct Recipient {
    var lastRank: UInt32 = 0
    /// The rank of the last message that each device was shown.
    var ranks: [UInt32]
  }

  private struct State {
    var conversations: [Conversation]
    var recipients: [Recipient]
    var totals = Totals()
    /// Where accepted messages stand that are still to be shown somewhere.
    var underWay: [Key: Offset] = [:]
    var incidents: [String] = []
    var lastShown = ContinuousClock.now
    var longestSilence = Duration.zero
    var latencies: [Duration] = []
    var waits = Waits()
  }

  private struct Key: Hashable {
    let conversation: Int
    let number: Int
  }

  /// What was counted so far.
  struct Totals: Sendable {
    var enqueued = 0
    var accepted = 0
    var failed = 0
    /// Refused for good.
    var refused = 0
    /// Rejected for the moment; each time counts.
    var postponed = 0
    /// Of these, messages of senders that had sent others behind them.
    var postponedOpenLoop = 0
    /// To a device, for the first time.
    var shown = 0
    var repeated = 0
    var reordered = 0
    /// Shown in another order than on another device of the user.
    var disagreed = 0
    /// Shown with another body or sender than it was sent with.
    var garbled = 0
    var receipts = 0
    var reconnects = 0
    /// Clients that gave up, which none may.
    var gaveUp = 0
  }

  private let state: Mutex<State>
  private let start = ContinuousClock.now
  private let index: [Direction: Int]
  private let devices: [Int]

  /// - Parameter devices: how many each user has.
  init(directions: [Direction], devices: [Int]) {
    precondition(devices.allSatisfy { $0 <= 8 }, "a mark has a bit for each of eight devices")
    self.devices = devices
    self.index = Dictionary(
      uniqueKeysWithValues: directions.enumerated().map { ($0.element, $0.offset) })
    self.state = Mutex(
      State(
        conversations: directions.map {
          Conversation(
            direction: $0, highest: Array(repeating: -1, count: devices[$0.to]))
        },
        recipients: devices.map { Recipient(ranks: Array(repeating: 0, count: $0)) }))
  }

  // MARK: Sending

  /// The id of the next message, which thereby counts as enqueued.
  func next(_ direction: Direction) -> MessageID {
    guard let conversation = self.index[direction] else { preconditionFailure("no such direction") }
    let number = self.state.withLock { state in
      state.totals.enqueued += 1
      state.conversations[conversation].messages.append(Message(enqueued: self.milliseconds))
      return state.conversations[conversation].messages.count - 1
    }
    return MessageID("\(conversation).\(number)")!
  }

  /// The last message of a direction was not enqueued after all.
  func takeBack(_ direction: Direction) {
    guard let conversation = self.index[direction] else { return }
    self.state.withLock { state in
      state.totals.enqueued -= 1
      state.conversations[conversation].messages.removeLast()
    }
  }

  func accepted(_ id: MessageID, offset: Offset) {
    self.with(id) { state, key, message in
      guard message.marks.insert(.accepted).inserted else { return }
      state.totals.accepted += 1
      state.waits.accepted(after: .milliseconds(Int(self.milliseconds) - Int(message.enqueued)))
      let conversation = state.conversations[key.conversation]
      // What was taken before the keyspace was thrown away may be told after it.
      guard key.number >= conversation.excused else { return }
      if !self.isSettled(message.marks, to: conversation.direction.to) {
        state.underWay[key] = offset
      }
    }
  }

  /// The server asked to send it again later.
  ///
  /// - Parameter isOpenLoop: whether its sender sends others behind it without waiting for answers.
  func postponed(_ id: MessageID, isOpenLoop: Bool = false) {
    self.with(id) { state, _, _ in
      state.totals.postponed += 1
      if isOpenLoop { state.totals.postponedOpenLoop += 1 }
    }
  }

  func refused(_ id: MessageID, why: String) {
    self.with(id) { state, key, message in
      state.totals.refused += 1
      message.marks.insert(.refused)
      self.note(&state, "refused: \(self.name(key, state)): \(why)")
    }
  }

  func failed(_ id: MessageID, code: String) {
    self.with(id) { state, key, message in
      guard message.marks.insert(.failed).inserted else { return }
      state.totals.failed += 1
      state.underWay[key] = nil
      self.note(&state, "failed with \(code): \(self.name(key, state))")
    }
  }

  private func isSettled(_ marks: Marks, to user: Int) -> Bool {
    marks.contains(.failed)
      || (0..<self.devices[user]).allSatisfy { marks.contains(.shown(on: $0)) }
  }

  // MARK: Receiving

  /// - Parameters:
  ///   - isIntact: whether the body is the one that was sent.
  ///   - latency: since it was enqueued; nil on a device that is late on purpose.
  func shown(
    _ id: MessageID, to user: Int, device: Int, offset: Offset, isIntact: Bool,
    latency: Duration?
  ) {
    let known = self.with(id) { state, key, message in
      let conversation = state.conversations[key.conversation]
      guard conversation.direction.to == user, isIntact else {
        state.totals.garbled += 1
        return self.note(&state, "garbled: \(self.name(key, state)), shown to user \(user)")
      }
      let now = ContinuousClock.now
      state.longestSilence = max(state.longestSilence, now - state.lastShown)
      state.lastShown = now
      if let latency, state.latencies.count < FaultLimits.keptLatencies {
        state.latencies.append(latency)
      }

      let place = "\(self.name(key, state)), on device \(device) at \(offset)"
      guard message.marks.insert(.shown(on: device)).inserted else {
        state.totals.repeated += 1
        return self.note(&state, "repeated: \(place)")
      }
      state.totals.shown += 1
      if self.isSettled(message.marks, to: user) { state.underWay[key] = nil }

      if key.number < conversation.highest[device] {
        state.totals.reordered += 1
        self.note(&state, "reordered: \(place), after \(conversation.highest[device])")
      } else {
        state.conversations[key.conversation].highest[device] = key.number
      }
      self.compare(&state, key, &message, user: user, device: device, place: place)
    }
    if !known {
      self.state.withLock { state in
        state.totals.garbled += 1
        self.note(&state, "garbled: nobody sent \(id), shown to user \(user) at \(offset)")
      }
    }
  }

  /// Two devices show what both show in one order if and only if the ranks of what each shows only
  /// grow, where a rank is given by whichever device shows the message first.
  private func compare(
    _ state: inout State, _ key: Key, _ message: inout Message, user: Int, device: Int,
    place: String
  ) {
    if message.rank == 0 {
      state.recipients[user].lastRank += 1
      message.rank = state.recipients[user].lastRank
    }
    // A device that was away may have missed what was thrown away with the keyspace.
    guard key.number >= state.conversations[key.conversation].excused else { return }
    if message.rank < state.recipients[user].ranks[device] {
      state.totals.disagreed += 1
      self.note(&state, "another order than on another device: \(place)")
    } else {
      state.recipients[user].ranks[device] = message.rank
    }
  }

  /// - Returns: whether there is such a message.
  @discardableResult
  private func with(
    _ id: MessageID, _ body: (inout State, Key, inout Message) -> Void
  ) -> Bool {
    let parts = id.text.split(separator: ".").compactMap { Int($0) }
    guard parts.count == 2 else { return false }
    let key = Key(conversation: parts[0], number: parts[1])
    return self.state.withLock { state in
      guard state.conversations.indices.contains(key.conversation),
        state.conversations[key.conversation].messages.indices.contains(key.number)
      else { return false }
      var message = state.conversations[key.conversation].messages[key.number]
      body(&state, key, &message)
      state.conversations[key.conversation].messages[key.number] = message
      return true
    }
  }

  // MARK: Everything else

  func receipt() { self.state.withLock { $0.totals.receipts += 1 } }

  func reconnected() { self.state.withLock { $0.totals.reconnects += 1 } }

  /// A device was not live for so long, from the end of its connection on.
  func away(for time: Duration) { self.state.withLock { $0.waits.away(for: time) } }

  func gaveUp(user: Int, device: Int, why: String) {
    self.state.withLock { state in
      state.totals.gaveUp += 1
      self.note(&state, "gave up: user \(user), device \(device): \(why)")
    }
  }

  /// What has been enqueued so far may be lost from now on, but neither repeated nor reordered.
  func excuseLosses() {
    self.state.withLock { state in
      for index in state.conversations.indices {
        state.conversations[index].excused = state.conversations[index].messages.count
      }
      state.underWay = state.underWay.filter {
        $0.key.number >= state.conversations[$0.key.conversation].excused
      }
    }
  }

  /// Describes something that happened, for whoever looks for its cause.
  func note(_ text: String) { self.state.withLock { self.note(&$0, text) } }

  private func note(_ state: inout State, _ text: String) {
    guard state.incidents.count < FaultLimits.incidents else { return }
    state.incidents.append("\(self.elapsed): \(text)")
  }

  private var milliseconds: UInt32 {
    UInt32(truncatingIfNeeded: Int((ContinuousClock.now - self.start) / .milliseconds(1)))
  }

  private var elapsed: String { (ContinuousClock.now - self.start).inSeconds }

  private func name(_ key: Key, _ state: State) -> String {
    let direction = state.conversations[key.conversation].direction
    return "message \(key.conversation).\(key.number), user \(direction.from) to \(direction.to)"
  }

  // MARK: Asking

  var totals: Totals { self.state.withLock(\.totals) }

  /// What went wrong, the first times.
  var incidents: [String] { self.state.withLock(\.incidents) }

  /// Messages that the server has neither taken nor refused.
  var unanswered: Int {
    self.state.withLock { $0.totals.enqueued - $0.totals.accepted - $0.totals.refused }
  }

  /// Messages that were accepted and are still to be shown on some device of their recipient.
  var lost: Int { self.state.withLock { $0.underWay.count } }

  /// Describes some of these.
  var lostOnes: [String] {
    self.state.withLock { state in
      state.underWay.sorted { $0.value < $1.value }.prefix(FaultLimits.incidents).map {
        key, offset in
        let marks = state.conversations[key.conversation].messages[key.number].marks
        let to = state.conversations[key.conversation].direction.to
        let missing = (0..<self.devices[to]).filter { !marks.contains(.shown(on: $0)) }
        return "lost: \(self.name(key, state)), accepted at \(offset), on devices \(missing)"
      }
    }
  }

  /// The number that the next message of each direction will have.
  var ends: [Int] { self.state.withLock { $0.conversations.map(\.messages.count) } }

  /// The recipient of each conversation.
  var recipients: [Int] { self.state.withLock { $0.conversations.map(\.direction.to) } }

  /// Whether a message of some conversations that was enqueued after `ends` is accepted.
  func hasAccepted(of conversations: [Int], since ends: [Int]) -> Bool {
    self.state.withLock { state in
      conversations.contains { index in
        state.conversations[index].messages.dropFirst(ends[index]).contains {
          $0.marks.contains(.accepted)
        }
      }
    }
  }

  /// How many directions have shown nothing from `ends` on to the recipient's first device.
  func quiet(since ends: [Int]) -> Int {
    self.state.withLock { state in
      zip(state.conversations, ends).count { $0.highest[0] < $1 }
    }
  }

  /// The latencies since this was last called, sorted.
  func takeLatencies() -> [Duration] {
    self.state.withLock { state in
      defer { state.latencies = [] }
      return state.latencies.sorted()
    }
  }

  /// How long clients have waited since this was last called.
  func takeWaits() -> Waits {
    self.state.withLock { state in
      defer { state.waits = Waits() }
      return state.waits
    }
  }

  /// The longest time without anything shown since this was last called.
  func takeLongestSilence() -> Duration {
    self.state.withLock { state in
      defer { state.longestSilence = .zero }
      return max(state.longestSilence, .now - state.lastShown)
    }
  }
}

extension Duration {
  /// For people: `12.3 s`.
  var inSeconds: String {
    let tenths = Int((self / .milliseconds(100)).rounded())
    return "\(tenths / 10).\(tenths % 10) s"
  }
}

extension ContinuousClock.Instant {
  fileprivate static func - (left: Self, right: Self) -> Duration { right.duration(to: left) }
}
