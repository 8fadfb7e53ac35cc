/// The node of each slot of a cluster, as far as it is known.
struct ClusterTopology: Sendable, Equatable {
  /// Marks a slot without a primary.
  private static let nobody = UInt16.max

  /// The primaries, in the order of the lowest slot that each had at the time of asking.
  private(set) var primaries: [RedisAddress]
  /// For each slot, the index of its primary.
  private var owners: [UInt16]

  /// A cluster as one of its nodes describes it. Later ranges win.
  init(_ ranges: [(slots: ClosedRange<Int>, primary: RedisAddress)]) {
    self.primaries = []
    self.owners = Array(repeating: Self.nobody, count: HashSlot.count)
    for (slots, primary) in ranges.sorted(by: { $0.slots.lowerBound < $1.slots.lowerBound }) {
      guard let index = self.index(of: primary) else { continue }
      for slot in slots.clamped(to: 0...HashSlot.count - 1) { self.owners[slot] = index }
    }
  }

  /// The primary of a slot; nil if none has it.
  func owner(of slot: HashSlot) -> RedisAddress? {
    self.ownerIndex(of: slot).map { self.primaries[$0] }
  }

  /// The same as an index of ``primaries``.
  func ownerIndex(of slot: HashSlot) -> Int? {
    let owner = self.owners[slot.number]
    return owner == Self.nobody ? nil : Int(owner)
  }

  /// Whether each slot has a primary.
  var isComplete: Bool { !self.owners.contains(Self.nobody) }

  /// Takes over what a node says of one slot.
  ///
  /// - Returns: whether that was new.
  mutating func move(_ slot: HashSlot, to address: RedisAddress) -> Bool {
    guard self.owner(of: slot) != address, let index = self.index(of: address) else { return false }
    self.owners[slot.number] = index
    return true
  }

  /// Nil for more primaries than a cluster can have: then the view is wrong, and must be refreshed.
  private mutating func index(of address: RedisAddress) -> UInt16? {
    if let index = self.primaries.firstIndex(of: address) { return UInt16(index) }
    guard self.primaries.count < RedisLimits.maximumPrimaries else { return nil }
    self.primaries.append(address)
    return UInt16(self.primaries.count - 1)
  }
}

extension ClusterTopology {
  /// Reads the answer to CLUSTER SLOTS.
  ///
  /// A node is named as it prefers to be named; if that is by its address, and it announces a host
  /// name too, by that: certificates are for names.
  ///
  /// - Parameter asked: the node that answers, which stands for a node that says no name.
  init(from cursor: inout ReplyCursor, asked: RedisAddress) throws(RedisError) {
    var ranges: [(slots: ClosedRange<Int>, primary: RedisAddress)] = []
    let all = try cursor.array() ?? 0
    guard all <= HashSlot.count else {
      throw .unexpectedReply("CLUSTER SLOTS answered \(all) ranges")
    }
    for _ in 0..<all {
      let count = try cursor.array() ?? 0
      guard count >= 2 else {
        throw .unexpectedReply("CLUSTER SLOTS answered a range without ends")
      }
      let (first, last) = (try cursor.integer(), try cursor.integer())
      guard (0..<HashSlot.count).contains(first), (first..<HashSlot.count).contains(last) else {
        throw .unexpectedReply("CLUSTER SLOTS answered slots \(first) to \(last)")
      }
      guard count > 2 else { continue }
      ranges.append((first...last, try Self.node(from: &cursor, asked: asked)))
      for _ in 3..<count { cursor.skip() }
    }
    self.init(ranges)
  }

  private static func node(
    from cursor: inout ReplyCursor, asked: RedisAddress
  ) throws(RedisError) -> RedisAddress {
    let count = try cursor.array() ?? 0
    guard count >= 2 else { throw .unexpectedReply("CLUSTER SLOTS answered a node without a port") }
    var host = try cursor.string() ?? ""
    let port = try cursor.integer()
    guard RedisAddress.ports.contains(port) else {
      throw .unexpectedReply("CLUSTER SLOTS answered port \(port)")
    }
    if count > 2 { cursor.skip() }
    if count > 3 {
      for _ in 0..<(try cursor.array() ?? 0) / 2 {
        let name = try cursor.string()
        let value = try cursor.string() ?? ""
        if name == "hostname", !value.isEmpty { host = value }
      }
      for _ in 4..<count { cursor.skip() }
    }
    // "?": it is to be known by a host name, and has none yet.
    if host.isEmpty || host == "?" { host = asked.host }
    guard RedisAddress.isHost(host) else {
      throw .unexpectedReply("CLUSTER SLOTS answered a node whose name is not that of a host")
    }
    return RedisAddress(host: host, port: port)
  }
}
