import ConnectProtocol
import Foundation
import Synchronization

/// The ledger of chatters, whose devices run in parallel, and what only they need: what went wrong
/// in words, the order of messages of different senders, and how long people waited.
///
/// A message's id says its conversation and its number. The order of messages of different senders
/// is not promised, beyond being the same on every device of the recipient.
final class ChatLedger: Sendable {
  /// One sender and one recipient.
  struct Direction: Hashable, Sendable {
    let from: Int
    let to: Int
  }

  struct Message {
    /// Position among all that its recipient was shown, on the device that was first; from 1.
    var rank: UInt32 = 0
    /// The same of its copy, among all that its sender was shown.
    var copyRank: UInt32 = 0
    /// Time of enqueuing, in milliseconds since the ledger's start.
    let enqueued: UInt32
  }

  struct User {
    var lastRank: UInt32 = 0
    /// What has a rank up to here was shown before losses were excused.
    var excusedRank: UInt32 = 0
    /// How many of its devices are shown everything: the first ones.
    let devices: Int
    /// The rank of the last message or copy that each device was shown.
    var ranks: [UInt32]
  }

  struct State {
    var ledger = Ledger()
    /// The same messages, as the devices of their senders are shown them.
    var copies = Ledger()
    var positions: PositionLedger
    var log: LogLedger
    var lists = ListTotals()
    var listFaults: [String] = []
    /// Lists that were told while others wrote, and are not compared yet.
    var listsKept: [(device: Int, list: LogLedger.List)] = []
    var signals: SignalLedger
    var stalls = RecentStalls()
    /// Messages of each conversation.
    var messages: [[Message]]
    var users: [User]
    /// Offsets of accepted messages that are still to be shown on some device.
    var offsets: [Ledger.Place: Offset] = [:]
    var incidents: [String] = []
    var lastShown = ContinuousClock.now
    var longestSilence = Duration.zero
    var waits = Waits()
  }

  let state: Mutex<State>
  private let start = ContinuousClock.now
  private let directions: [Direction]
  let index: [Direction: Int]

  /// - Parameters:
  ///   - devices: Number of devices of each user, which are shown everything.
  ///   - newcomers: Number of further devices, which come at the end: they are told all positions, and shown
  ///     what mailboxes still have.
  init(directions: [Direction], devices: [Int], newcomers: [Int]? = nil) {
    self.directions = directions
    self.index = Dictionary(
      uniqueKeysWithValues: directions.enumerated().map { ($0.element, $0.offset) })
    let newcomers = newcomers ?? devices.map { _ in 0 }
    let users = zip(devices, newcomers)
    var state = State(
      positions: PositionLedger(directions: directions, devices: users.map(+)),
      log: LogLedger(directions: directions, users: devices.count),
      signals: SignalLedger(directions: directions),
      messages: Array(repeating: [], count: directions.count),
      users: users.map { User(devices: $0, ranks: Array(repeating: 0, count: $0 + $1)) })
    for direction in directions {
      _ = state.ledger.add(devices: devices[direction.to], newcomers: newcomers[direction.to])
      _ = state.copies.add(devices: devices[direction.from], newcomers: newcomers[direction.from])
    }
    self.state = Mutex(state)
  }

  // MARK: Sending

  /// The id of the next message, which counts as sent from now on.
  func next(_ direction: Direction) -> MessageID {
    guard let conversation = self.index[direction] else { preconditionFailure("no such direction") }
    let number = self.state.withLock { state in
      state.messages[conversation].append(Message(enqueued: self.milliseconds))
      _ = state.copies.next(in: conversation)
      return state.ledger.next(in: conversation)
    }
    return MessageID("\(conversation).\(number)")!
  }

  /// Takes back the last message of a direction, which was not enqueued after all.
  func takeBack(_ direction: Direction) {
    guard let conversation = self.index[direction] else { return }
    self.state.withLock { state in
      state.messages[conversation].removeLast()
      state.ledger.takeBack(in: conversation)
      state.copies.takeBack(in: conversation)
    }
  }

  func accepted(_ id: MessageID, offset: Offset) {
    self.with(id) { state, place in
      guard state.ledger.accepted(place) else { return }
      state.copies.accepted(place)
      let enqueued = state.messages[place.conversation][place.number].enqueued
      state.waits.accepted(after: .milliseconds(Int(self.milliseconds) - Int(enqueued)))
      if state.ledger.isUnderWay(place) { state.offsets[place] = offset }
    }
  }

  /// The server asked to send it again later.
  ///
  /// - Parameter isOpenLoop: whether its sender sends others behind it without waiting for answers.
  func postponed(_ id: MessageID, isOpenLoop: Bool = false) {
    self.with(id) { state, _ in
      state.ledger.totals.postponed += 1
      if isOpenLoop { state.ledger.totals.postponedOpenLoop += 1 }
    }
  }

  /// What was sent so far in a direction may be shown in another order: this process was too late to send again
  /// what was rejected of it.
  func excuseOrder(_ direction: Direction) {
    guard let conversation = self.index[direction] else { return }
    self.state.withLock { $0.ledger.excuseOrder(in: conversation) }
  }

  /// Records that the server refused it permanently.
  func refused(_ id: MessageID, why: String) {
    self.with(id) { state, place in
      state.ledger.refused()
      self.note(&state, "refused: \(self.name(place)): \(why)")
    }
  }

  func failed(_ id: MessageID, code: String) {
    self.with(id) { state, place in
      guard state.ledger.failed(place) else { return }
      _ = state.copies.failed(place)
      state.offsets[place] = nil
      self.note(&state, "failed with \(code): \(self.name(place))")
    }
  }

  // MARK: Receiving

  /// - Parameters:
  ///   - isIntact: whether the body is the one that was sent.
  ///   - latency: since it was enqueued, in nanoseconds; nil on a device that is late on purpose.
  func shown(
    _ id: MessageID, to user: Int, device: Int, offset: Offset, isIntact: Bool, latency: UInt64?
  ) {
    let isKnown = self.with(id) { state, place in
      guard self.directions[place.conversation].to == user, isIntact else {
        state.ledger.totals.garbled += 1
        return self.note(&state, "garbled: \(self.name(place)), shown to user \(user)")
      }
      let now = ContinuousClock.now
      state.longestSilence = max(state.longestSilence, state.lastShown.duration(to: now))
      state.lastShown = now

      let rank = state.messages[place.conversation][place.number].rank
      state.positions.shown(
        in: place.conversation, at: offset, hasReceipt: ChatTraits(id)?.hasReceipt ?? false,
        isDue: device < state.users[user].devices
          && (rank == 0 || rank > state.users[user].excusedRank))
      let what = "\(self.name(place)), on device \(device) at \(offset)"
      let arrival = state.ledger.shown(place, on: device, latency: latency)
      if arrival == .again { return self.note(&state, "repeated: \(what)") }
      if rank == 0 {
        state.log.stored(place, isCopy: false, of: user, at: offset)
      }
      if case .late(let highest) = arrival {
        self.note(&state, "reordered: \(what), after \(highest)")
      }
      if !state.ledger.isUnderWay(place) { state.offsets[place] = nil }
      self.compare(&state, place, \.rank, user: user, device: device, what: what)
    }
    if !isKnown {
      self.state.withLock { state in
        state.ledger.totals.garbled += 1
        self.note(&state, "garbled: nobody sent \(id), shown to user \(user) at \(offset)")
      }
    }
  }

  /// A device of the sender was shown the copy of a message.
  ///
  /// - Parameter isIntact: whether it is what was sent, to whom it was sent.
  func shownCopy(
    _ id: MessageID, of user: Int, to recipient: Int?, device: Int, offset: Offset, isIntact: Bool
  ) {
    let isKnown = self.with(id) { state, place in
      let what = "copy of \(self.name(place)), on device \(device) at \(offset)"
      let direction = self.directions[place.conversation]
      guard direction.from == user, direction.to == recipient, isIntact else {
        state.copies.totals.garbled += 1
        return self.note(&state, "garbled: \(what), of user \(user)")
      }
      switch state.copies.shown(place, on: device, latency: nil) {
      case .again: return self.note(&state, "repeated: \(what)")
      case .late(let highest): self.note(&state, "reordered: \(what), after \(highest)")
      case .first, .excused, .unknown: break
      }
      if state.messages[place.conversation][place.number].copyRank == 0 {
        state.log.stored(place, isCopy: true, of: user, at: offset)
      }
      self.compare(&state, place, \.copyRank, user: user, device: device, what: what)
    }
    if !isKnown {
      self.state.withLock { state in
        state.copies.totals.garbled += 1
        self.note(&state, "garbled: nobody sent \(id), copied to user \(user) at \(offset)")
      }
    }
  }

  /// Two devices show what both show in one order if and only if the ranks of what each shows only
  /// grow, where a rank is given by whichever device shows the message first.
  private func compare(
    _ state: inout State, _ place: Ledger.Place, _ stored: WritableKeyPath<Message, UInt32>,
    user: Int, device: Int, what: String
  ) {
    var rank = state.messages[place.conversation][place.number][keyPath: stored]
    if rank == 0 {
      state.users[user].lastRank += 1
      rank = state.users[user].lastRank
      state.messages[place.conversation][place.number][keyPath: stored] = rank
    }
    // A device that was away may have missed what was thrown away with the keyspace.
    guard !state.ledger.isExcused(place) else { return }
    if rank < state.users[user].ranks[device] {
      state.ledger.totals.disagreed += 1
      self.note(&state, "another order than on another device: \(what)")
    } else {
      state.users[user].ranks[device] = rank
    }
  }

  /// - Returns: Whether there is such a message.
  @discardableResult
  private func with(_ id: MessageID, _ body: (inout State, Ledger.Place) -> Void) -> Bool {
    guard let place = ChatTraits(id)?.place else { return false }
    return self.state.withLock { state in
      guard state.ledger.contains(place) else { return false }
      body(&state, place)
      return true
    }
  }

  // MARK: Positions

  /// A user is about to say that a conversation is read up to a message.
  func read(_ place: Ledger.Place, to offset: Offset, isPrivate: Bool) {
    self.state.withLock {
      $0.positions.read(in: place.conversation, to: offset, isPrivate: isPrivate)
    }
  }

  /// A device of `user` was told how far the conversation with `peer` is.
  func told(_ position: ServerFrame.Position, of user: Int, with peer: Int, on device: Int) {
    self.state.withLock { state in
      for fault in state.positions.told(position, of: user, with: peer, on: device) {
        self.note(
          &state,
          "\(fault): device \(device) of user \(user) was told of user \(peer): "
            + "delivered \(position.delivered ?? .zero), read \(position.read ?? .zero), "
            + "mine \(position.mine ?? .zero), stamp \(position.stamp), id \(position.id?.text ?? "-")"
        )
      }
    }
  }

  var positions: PositionLedger.Totals { self.state.withLock(\.positions.totals) }

  /// Conversations of which some device was told less than the truth.
  var positionsBehind: Int { self.state.withLock { $0.positions.behind() } }

  /// The same of some conversations, without devices that come at the end.
  func positionsBehind(among isIncluded: (Int) -> Bool) -> Int {
    self.state.withLock { state in
      state.positions.behind(among: isIncluded, devices: Chatters.devicesPerUser)
    }
  }

  // MARK: Everything else

  func reconnected() { self.state.withLock { $0.ledger.totals.reconnects += 1 } }

  /// Records that a device was not live for this time, from the end of its connection on.
  func away(for time: Duration) { self.state.withLock { $0.waits.away(for: time) } }

  func gaveUp(user: Int, device: Int, why: String) {
    self.state.withLock { state in
      state.ledger.totals.gaveUp += 1
      self.note(&state, "gave up: user \(user), device \(device): \(why)")
    }
  }

  /// Messages that were enqueued so far may be lost from now on, as the keyspace was thrown away,
  /// but neither repeated nor reordered.
  func excuseLosses() {
    self.state.withLock { state in
      state.ledger.excuseLosses()
      state.copies.excuseLosses()
      state.positions.excuseLosses(at: UInt64(Date().timeIntervalSince1970 * 1_000))
      for user in state.users.indices {
        state.users[user].excusedRank = state.users[user].lastRank
      }
      state.offsets = [:]
    }
  }

  /// Records a description of an incident, for people who look for its cause.
  func note(_ text: String) { self.state.withLock { self.note(&$0, text) } }

  func note(_ state: inout State, _ text: String) {
    guard state.incidents.count < FaultLimits.incidents else { return }
    state.incidents.append("\(self.start.duration(to: .now).inSeconds): \(text)")
  }

  private var milliseconds: UInt32 {
    UInt32(truncatingIfNeeded: Int(self.start.duration(to: .now) / .milliseconds(1)))
  }

  private func name(_ place: Ledger.Place) -> String {
    let direction = self.directions[place.conversation]
    return """
      message \(place.conversation).\(place.number), user \(direction.from) to \(direction.to)
      """
  }

  // MARK: Asking

  var totals: Ledger.Totals { self.read(\.totals) }

  /// Of the copies.
  var copies: Ledger.Totals { self.state.withLock(\.copies.totals) }

  func read<Value>(_ body: (Ledger) -> Value) -> Value { self.state.withLock { body($0.ledger) } }

  /// Descriptions of the first incidents.
  var incidents: [String] { self.state.withLock(\.incidents) }

  /// Descriptions of some positions that lag behind the truth.
  var laggingPositions: [String] {
    self.state.withLock { Array($0.positions.descriptions.prefix(FaultLimits.incidents)) }
  }

  /// Descriptions of some lost messages.
  var lostOnes: [String] {
    self.state.withLock { state in
      state.offsets.sorted { $0.value < $1.value }.prefix(FaultLimits.incidents).map {
        place, offset in
        let missing = state.ledger.missing(place)
        return "lost: \(self.name(place)), accepted at \(offset), on devices \(missing)"
      }
        + state.copies.underWay(atMost: FaultLimits.incidents).map { place in
          "lost: copy of \(self.name(place)), on devices \(state.copies.missing(place))"
        }
    }
  }

  /// With whom a user writes, either way.
  func peers(of user: Int) -> [Int] {
    Set(
      self.directions.compactMap { direction in
        direction.from == user ? direction.to : direction.to == user ? direction.from : nil
      }
    ).sorted()
  }

  /// The recipient of each conversation.
  var recipients: [Int] { self.directions.map(\.to) }

  /// The latencies since the last call.
  func takeLatencies() -> Latencies { self.state.withLock { $0.ledger.takeLatencies() } }

  /// The waits of clients since the last call.
  func takeWaits() -> Waits {
    self.state.withLock { state in
      defer { state.waits = Waits() }
      return state.waits
    }
  }

  /// The longest time without anything shown since the last call.
  func takeLongestSilence() -> Duration {
    self.state.withLock { state in
      defer { state.longestSilence = .zero }
      return max(state.longestSilence, state.lastShown.duration(to: .now))
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
