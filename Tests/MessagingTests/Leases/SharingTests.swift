import ConnectProtocol
import ConnectTestStand
import MessageBus
import TestSupport
import Testing

/// The lease time is an hour wherever something must happen without waiting for it.
@Suite("Instances share the partitions")
struct SharingTests {
  private static let hour = 3_600

  private func options(partitions: Int) -> TestStand.Options {
    var options = TestStand.Options(gateways: 0)
    options.partitions = partitions
    options.configureMessaging = { $0.leaseSeconds = Self.hour }
    return options
  }

  private func counts(_ stand: TestStand) async throws -> [String: Int] {
    try await stand.owners().reduce(into: [:]) { $0[$1 ?? "nobody", default: 0] += 1 }
  }

  @Test("fairly, as they join; and hand over at once, as they stop")
  func joinAndLeave() async throws {
    try await TestStand.with(self.options(partitions: 7)) { stand in
      try await stand.waitUntilOwner("m1")
      try await stand.startMessaging()
      try await eventually("two share") { try await self.counts(stand) == ["m1": 4, "m2": 3] }
      let third = try await stand.startMessaging()
      try await eventually("three share") {
        try await self.counts(stand) == ["m1": 3, "m2": 2, "m3": 2]
      }
      try await third.stop()
      try await eventually("two share again") {
        try await self.counts(stand) == ["m1": 4, "m2": 3]
      }
      #expect(
        try await stand.redis("EXISTS", "\(stand.keys.messaging(InstanceID("m3")!))") == .integer(0)
      )
      try await stand.messaging[0].stop()
      try await stand.waitUntilOwner("m2")
      try await stand.publish("after")
      try await stand.waitUntilProcessed()
      #expect(try await stand.messages().map(\.id) == ["after"])
    }
  }

  @Test("and take over what somebody held who died, as soon as that has lapsed, in order")
  func death() async throws {
    try await TestStand.withoutMessaging { stand in
      // What a dead instance of a release before 0.4 leaves: a member, its leases, and a group with unfinished
      // entries.
      let dead = InstanceID("dead")!
      try await stand.redis("SADD", "\(stand.keys.messagingMembers)", dead.text)
      try await stand.redis("SET", "\(stand.keys.messaging(dead))", "x", "PX", "1000")
      for partition in stand.keys.partitions.all {
        try await stand.redis("SET", "\(stand.keys.lease(partition))", "dead:1", "PX", "1000")
      }
      let incoming = "\(try stand.incoming("bob"))"
      for number in 0..<10 { try await stand.publish("m\(number)") }
      try await stand.redis("XGROUP", "CREATE", incoming, "messaging:dead:1", "0")
      try await stand.redis(
        "XREADGROUP", "GROUP", "messaging:dead:1", "dead", "COUNT", "5", "STREAMS", incoming, ">")
      try await stand.startMessaging { $0.leaseSeconds = 1 }
      try await stand.waitUntilOwner("m1")
      try await stand.waitUntilProcessed()
      #expect(try await stand.messages().map(\.id) == (0..<10).map { "m\($0)" })
      let groups = try await stand.redis("XINFO", "GROUPS", incoming).array.map {
        $0["name"]?.string
      }
      #expect(groups.count == 2 && !groups.contains("messaging:dead:1"))
      try await eventually("the dead one is not a member any more") {
        try await stand.redis("SMEMBERS", "\(stand.keys.messagingMembers)").array.count == 1
      }
    }
  }

  @Test("and all find together again when the whole keyspace is lost")
  func keyspaceLost() async throws {
    try await TestStand.with(self.options(partitions: 4)) { stand in
      try await stand.startMessaging { $0.leaseSeconds = 1 }
      try await eventually("two share") { try await self.counts(stand) == ["m1": 2, "m2": 2] }
      for primary in try await stand.server.primaries() { try await primary.command("FLUSHALL") }
      for number in 0..<20 { try await stand.publish("m\(number)") }
      try await eventually("all is stored") { try await stand.messages().count == 20 }
      #expect(try await stand.messages().map(\.id) == (0..<20).map { "m\($0)" })
      #expect(try await stand.redis("GET", "connect:partitions") == .string("4"))
      try await stand.messaging[1].stop()
    }
  }
}

@Suite("An entry that ends whoever handles it")
struct CrashTests {
  /// As another instance leaves things that ended while it handled the first entry.
  private func crash(_ stand: TestStand, _ round: Int) async throws {
    let incoming = "\(try stand.incoming("bob"))"
    let session = "messaging:dead:\(round)"
    let old = try await stand.redis("XINFO", "GROUPS", incoming).array.compactMap {
      $0["name"]?.string
    }
    for group in ["reading", "finished"] {
      try await stand.redis("XGROUP", "CREATE", incoming, "\(session):\(group)", "0")
    }
    for name in old { try await stand.redis("XGROUP", "DESTROY", incoming, name) }
    try await stand.redis(
      "XREADGROUP", "GROUP", "\(session):reading", "dead", "COUNT", "100", "NOACK", "STREAMS",
      incoming, ">")
  }

  @Test("goes to the dead letters after it was begun too often, and only that one does")
  func guilty() async throws {
    try await TestStand.withoutMessaging { stand in
      let incoming = "\(try stand.incoming("bob"))"
      let guilty = try await stand.publish("guilty")
      for number in 0..<5 { try await stand.publish("m\(number)") }
      try await self.crash(stand, 0)
      // Four owners ended with it before that.
      let key = "\(stand.keys.attempts(stand.keys.partitions.partition(for: UserName("bob")!)))"
      try await stand.redis("HSET", key, "\(guilty)", "4")
      try await stand.startMessaging()
      try await stand.waitUntilProcessed()
      #expect(try await stand.messages().map(\.id) == (0..<5).map { "m\($0)" })
      let letters = try await stand.redis.entries(of: stand.keys.deadLetters)
      #expect(letters.map { $0.fields["origin"] } == ["\(incoming) \(guilty)"])
      #expect(letters.first?.fields["attempts"] == "5")
      try await eventually("nothing is suspected any more") {
        try await stand.redis("EXISTS", key) == .integer(0)
      }
    }
  }

  @Test("is not suspected for being unfinished a few times")
  func innocent() async throws {
    try await TestStand.withoutMessaging { stand in
      for number in 0..<5 { try await stand.publish("m\(number)") }
      for round in 0..<3 {
        // Each owner ends before it has finished anything, and the next counts.
        try await self.crash(stand, round)
        let partition = stand.keys.partitions.partition(for: UserName("bob")!)
        let first = try await stand.redis(
          "XRANGE", "\(try stand.incoming("bob"))", "-", "+", "COUNT", "1")
        let offset = first.array.first?.array.first?.string ?? ""
        try await stand.redis("HINCRBY", "\(stand.keys.attempts(partition))", offset, "1")
      }
      try await stand.startMessaging()
      try await stand.waitUntilProcessed()
      #expect(try await stand.messages().map(\.id) == (0..<5).map { "m\($0)" })
      #expect(try await stand.redis.length(of: stand.keys.deadLetters) == 0)
    }
  }
}
