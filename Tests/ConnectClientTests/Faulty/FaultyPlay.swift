import ConnectProtocol
import SeededRandom
import TestSupport

@testable import ConnectClient

/// Three users who write to each other through a gateway that fails in every way, by a seed: what each sends and
/// reads, which of them are killed when, and which faults come. When exactly is up to the machine.
struct FaultyPlay {
  private enum Plan {
    /// What is sent.
    static let sends = 40
    /// Milliseconds between two sends, at most.
    static let pause = 60
    /// Milliseconds between two looks at whether all agree.
    static let look = 200
    /// For all to agree: many plays share the machine with other tests.
    static let wait = Duration.seconds(180)
    /// The probabilities, for each send.
    static let quiet = 0.1
    static let reads = 0.3
    static let isPrivate = 0.2
    static let kill = 0.06
    static let close = 0.03
    static let swap = 0.05
    /// Of a start: it has the token of somebody else.
    static let stranger = 0.1
    /// Every so many seeds, the store of a device fails, and no client has to end: what it has not sent is nowhere
    /// else.
    static let full: UInt64 = 5
  }

  /// A message that was sent.
  private struct Sent {
    let key: Conversation.Entry.Key
    let device: Int
    /// Whether it was gone with a process before it was stored.
    var isLost = false
  }

  private static let carol = UserName("carol")!

  private let seed: UInt64
  private let gateway: FaultyGateway
  private let devices: [FaultyDevice]
  /// Those of which one is used at a time: two users of one device, with one store.
  private let shared = [1, 2]
  private var resting = 2
  private var random: SplitMix64
  private var sent: [Sent] = []

  static func run(seed: UInt64) async throws {
    try await FaultyGateway.with(seed: seed ^ 0x5EED) { gateway in
      var play = FaultyPlay(seed: seed, gateway: gateway)
      do {
        try await play.run()
      } catch {
        for device in play.devices { try? await device.stop(kills: true) }
        throw error
      }
    }
  }

  private init(seed: UInt64, gateway: FaultyGateway) {
    self.seed = seed
    self.gateway = gateway
    self.random = SplitMix64(seed: seed)
    let stores = (0..<3).map { _ in FaultyStore() }
    self.devices = [(alice, "a1", 0), (alice, "a2", 1), (Self.carol, "a2", 1), (bob, "b1", 2)]
      .map { user, name, store in
        FaultyDevice(user, DeviceName(name)!, store: stores[store], gateway: gateway)
      }
  }

  private var hasFull: Bool { self.seed.isMultiple(of: Plan.full) }

  private mutating func chance(_ probability: Double) -> Bool {
    Double.random(in: 0..<1, using: &self.random) < probability
  }

  /// One of the devices that are in use.
  private mutating func device() -> Int {
    self.devices.indices.filter { $0 != self.resting }.randomElement(using: &self.random)!
  }

  private mutating func run() async throws {
    for index in self.devices.indices where index != self.resting { try await self.start(index) }
    let full = self.hasFull ? Int.random(in: 0..<Plan.sends, using: &self.random) : nil
    for number in 0..<Plan.sends {
      self.send(number)
      try await Task.sleep(
        for: .milliseconds(Int.random(in: 0...Plan.pause, using: &self.random)))
      if number == full { self.devices[self.device()].store.fill() }
      let isKilled = self.chance(Plan.kill)
      if !self.hasFull, isKilled || self.chance(Plan.close) {
        let index = self.device()
        try await self.stop(index, kills: isKilled)
        try await self.start(index)
      }
      if !self.hasFull, self.chance(Plan.swap) { try await self.swap() }
      for device in self.devices { try await device.startIfEnded() }
    }
    try await self.gateway.run { $0.faults = Faults() }
    try await self.settle()
    for device in self.devices { try await device.stop(kills: false) }
  }

  // MARK: What happens

  private mutating func start(_ index: Int) async throws {
    let isStranger = self.chance(Plan.stranger) && !self.hasFull
    let user = self.devices[index].user
    try await self.devices[index].start(
      tokenOf: isStranger ? [alice, bob, Self.carol].first { $0 != user } : nil)
  }

  private mutating func stop(_ index: Int, kills: Bool) async throws {
    try await self.devices[index].stop(kills: kills)
    for at in self.sent.indices where self.sent[at].device == index {
      let key = self.sent[at].key
      guard !self.sent[at].isLost, !self.devices[index].isStored(key) else { continue }
      self.sent[at].isLost = true
      if !kills { try await self.gateway.run { $0.violate("\(key.id) was closed away") } }
    }
  }

  /// The other user signs in on the device that two share.
  private mutating func swap() async throws {
    let next = self.resting
    self.resting = self.shared.first { $0 != next }!
    try await self.stop(self.resting, kills: false)
    try await self.start(next)
  }

  private mutating func send(_ number: Int) {
    let index = self.device()
    let device = self.devices[index]
    guard let client = device.client else { return }
    let peer = device.user != bob ? bob : self.chance(0.7) ? alice : Self.carol
    let chat = client.conversation(with: peer)
    let isQuiet = self.chance(Plan.quiet)
    let body = Body(from: device.user.text, to: peer.text, number: number)
    // A client that has the token of somebody else takes nothing.
    if let outgoing = try? chat.send(body, quiet: isQuiet) {
      self.sent.append(Sent(key: .init(from: device.user, id: outgoing.id), device: index))
    }
    if self.chance(Plan.reads) { chat.markRead(isPrivate: self.chance(Plan.isPrivate)) }
  }

  // MARK: The end

  /// There are no faults any more: everything is loaded, what failed is sent again, and all agree.
  private mutating func settle() async throws {
    try await self.start(self.resting)
    self.resting = -1
    try await self.allSettled()
    var problems: [String] = []
    let isRight = try await eventually(within: Plan.wait) {
      // Word of a failure may come late: it is none of what a client waits for.
      while self.retryFailed() { try await self.allSettled() }
      // So may word of a gap.
      await self.loadEarlier()
      problems = try await self.problems()
      // Looking is expensive.
      if !problems.isEmpty { try await Task.sleep(for: .milliseconds(Plan.look)) }
      return problems.isEmpty
    }
    guard isRight else { throw TestFailure(problems.joined(separator: "\n")) }
  }

  /// Sends one message again that has failed; false where there is none.
  private func retryFailed() -> Bool {
    self.devices.flatMap(self.chats).contains { chat in
      chat.entries.contains { $0.state == .failed && chat.retry($0.id) }
    }
  }

  /// Loads a part of what is earlier, wherever there is something. A connection may still be half-open.
  private func loadEarlier() async {
    for chat in self.devices.flatMap(self.chats) where chat.hasEarlier {
      try? await chat.loadEarlier()
    }
  }

  private func allSettled() async throws {
    let devices = self.devices
    let isSettled = try await eventually(within: Plan.wait) {
      for device in devices { try await device.startIfEnded() }
      return devices.allSatisfy { $0.isSettled }
    }
    guard isSettled else {
      let violations = try await self.gateway.run { $0.violations }
      let waiting = devices.filter { !$0.isSettled }.map(\.description)
      throw TestFailure("not settled: \(waiting); \(violations)")
    }
  }

  private func chats(of device: FaultyDevice) -> [Conversation] {
    let peers = device.user == bob ? [alice, Self.carol] : [bob]
    return peers.compactMap { device.client?.conversation(with: $0) }
  }

  /// What is not as it must be.
  private func problems() async throws -> [String] {
    let (users, failures, violations, history) = try await self.gateway.run {
      ($0.users, $0.failures, $0.violations, $0.history)
    }
    var problems = violations
    for sent in self.sent {
      let peers = sent.key.from == bob ? [alice, Self.carol] : [bob]
      let count = peers.reduce(0) { count, peer in
        count + (users[peer]?.mailbox ?? []).count { $0.key(of: peer) == sent.key }
      }
      if sent.isLost ? count > 0 : count == 0 {
        problems.append("\(sent.key.id) of \(sent.key.from) is in \(count) places")
      }
    }
    for device in self.devices {
      guard let client = device.client else { continue }
      let name = "\(device.user)/\(device.name)"
      let data = users[device.user] ?? UserData()
      for chat in self.chats(of: device) {
        problems += self.problems(of: chat, data, failures, history).map {
          "\(name), \(chat.name): \($0)"
        }
      }
      let listed = client.conversations.items.map(\.peer.name)
      let strangers = Set(listed).subtracting(self.chats(of: device).map(\.name))
      if !strangers.isEmpty { problems.append("\(name) lists \(strangers)") }
    }
    return problems
  }

  private func problems(
    of chat: Conversation, _ data: UserData, _ failures: Set<MessageID>,
    _ history: [MessageID: [String]]
  ) -> [String] {
    var problems: [String] = []
    let user = chat.client.conversationKeeper.owner.user
    let now = chat.snapshot
    if now.hasEarlier { problems.append("what is earlier is not loaded") }
    let stored = data.mailbox.filter { $0.peer == chat.name && $0.kind != .failed }
    let keys = now.entries.map(\.key)
    if Set(keys).count != keys.count { problems.append("an entry is shown twice") }
    let missing = Set(stored.map { $0.key(of: user) }).symmetricDifference(keys)
    let offsets = now.entries.map { $0.offset ?? .zero }
    if !missing.isEmpty {
      let places = stored.filter { missing.contains($0.key(of: user)) }.map(\.offset)
      problems.append(
        """
        \(missing.map(\.id)) are not on both sides, \(places) not shown of \(stored.map(\.offset)); \
        the connection is \(chat.client.state), handled is \(data.cursors)
        """)
    }
    if offsets != offsets.sorted() { problems.append("the order is not the mailbox's") }
    for (index, device) in self.devices.enumerated() where !chat.isBetweenOthers(device.user) {
      // Of each device as it was sent, but for what failed and was sent again.
      let order = self.sent.filter { $0.device == index && !failures.contains($0.key.id) }
        .map(\.key).filter(Set(keys).contains)
      if keys.filter(Set(order).contains) != order {
        let told = order.map { "\n  \($0.id): \(history[$0.id] ?? [])" }.joined()
        problems.append("\(device.user)/\(device.name) is out of order: \(told)")
      }
    }
    let mine = data.positions[chat.name]?.mine ?? .zero
    let unread = now.entries.count {
      !$0.isMine && !$0.isQuiet && $0.offset ?? .zero > mine
    }
    if now.unread != unread || now.unreadIsMore {
      problems.append("\(now.unread) are unread, and not \(unread)")
    }
    let read = data.positions[chat.name]?.read ?? .zero
    for (entry, stored) in zip(
      now.entries,
      now.entries.map { entry in
        stored.last { $0.key(of: user) == entry.key }
      })
    {
      let isRead =
        entry.isMine ? stored?.peerOffset ?? .zero <= read : entry.offset ?? .zero <= mine
      let state: Conversation.State = isRead ? .read : entry.isMine ? .delivered : .received
      if entry.state != state { problems.append("\(entry.id) is \(entry.state), not \(state)") }
      let body = try? entry.body.decode(Body.self)
      if body?.from != entry.from.text || body?.to != entry.to.text {
        problems.append("\(entry.id) is of another conversation: \(entry.body)")
      }
    }
    return problems
  }

  private struct Body: Codable {
    let from: String
    let to: String
    let number: Int
  }
}

extension Conversation {
  /// Whether somebody is neither of the two.
  fileprivate func isBetweenOthers(_ user: UserName) -> Bool {
    user != self.name && user != self.client.conversationKeeper.owner.user
  }
}
