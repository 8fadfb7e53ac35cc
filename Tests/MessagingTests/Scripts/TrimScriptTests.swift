import BusTestSupport
import ConnectProtocol
import Redis
import SeededRandom
import TestSupport
import Testing

@testable import MessageBus
@testable import Messaging

@Suite("The trimming of a mailbox", .timeLimit(.minutes(20)))
struct TrimScriptTests {
  private let bob = UserName("bob")!

  private func fill(_ bus: isolated Bus, _ offsets: [Offset]) async throws {
    var batch = RedisBatch()
    for offset in offsets {
      batch.addEntry(to: bus.keys.mailbox(self.bob), at: offset, count: 1) { $0[0] = 120 }
    }
    try await bus.client.execute(batch).check()
  }

  private func offsets(_ bus: isolated Bus) async throws -> [Offset] {
    try await bus.entries(bus.keys.mailbox(self.bob)).map(\.offset)
  }

  @Test("keeps the unacked and as many acked entries as the history has, exactly")
  func model() async throws {
    try await Bus.run { bus in
      var generator = SplitMix64(seed: 5)
      for round in 0..<150 {
        _ = try await bus.command(
          "DEL", "\(bus.keys.mailbox(self.bob))", "\(bus.keys.cursor(self.bob))")
        // Ids that differ in their sequences only, and ids beyond what a double holds.
        let start: UInt64 = [1, 9_999, 1 << 53, .max - 200].randomElement(using: &generator)!
        var all: [Offset] = []
        for index in 0..<UInt64(Int.random(in: 1...60, using: &generator)) {
          all.append(
            round.isMultiple(of: 2)
              ? offset(start, index) : offset(start + index / 3, .max - 3 + index % 3))
        }
        try await self.fill(bus, all)
        var acked: [Offset] = []
        for device in 0..<Int.random(in: 0...3, using: &generator) {
          acked.append(([.zero, offset(.max, .max)] + all).randomElement(using: &generator)!)
          try await bus.setCursor(acked[device], device: "d\(device)", of: self.bob)
        }
        let history = Int.random(in: 0...40, using: &generator)
        let makesRoom = Int.random(in: 0...4, using: &generator) == 0
        let done = acked.min().map { lowest in all.count { $0 <= lowest } } ?? 0
        let removed = makesRoom ? done : max(0, done - history)

        let answer = try await bus.trim(
          self.bob, .ageless(history: history), makesRoom: makesRoom)
        #expect(answer.removed == removed, "round \(round)")
        #expect(answer.removedBytes == removed, "round \(round)")
        #expect(answer.length == all.count - removed, "round \(round)")
        #expect(try await self.offsets(bus) == Array(all.dropFirst(removed)), "round \(round)")
        #expect(
          try await bus.cursors(self.bob)["!removed"]
            == (removed == 0 ? nil : "\(all[removed - 1])"), "round \(round)")
      }
    }
  }

  @Test("holds on to what one device has not acked, until that device was not seen for too long")
  func devices() async throws {
    try await Bus.run { bus in
      let now = try await bus.seconds()
      let limits = MailboxLimits(historyEntries: 0, retentionSeconds: 1_000)
      let all = (0..<10).map { offset(UInt64(now) * 1_000, $0) }
      try await self.fill(bus, all)
      try await bus.setCursor(all[7], of: self.bob)
      try await bus.setCursor(.zero, device: "new", of: self.bob, seen: now - 900)
      #expect(try await bus.trim(self.bob, limits).removed == 0)
      try await bus.setCursor(all[2], device: "new", of: self.bob, seen: now - 900)
      #expect(try await bus.trim(self.bob, limits).removed == 3)
      try await bus.setCursor(all[2], device: "new", of: self.bob, seen: now - 1_100)
      #expect(try await bus.trim(self.bob, limits).counts == [2, 5])
      #expect(try await bus.cursors(self.bob).keys.sorted() == ["!removed", "phone"])
      #expect(try await self.offsets(bus) == Array(all[8...]))
    }
  }

  @Test("takes a device of unknown age as seen now, and one without an offset as never acked")
  func unknownAge() async throws {
    try await Bus.run { bus in
      let now = try await bus.seconds()
      try await self.fill(bus, (1...9).map { offset(UInt64(now) * 1_000, $0) })
      let key = "\(bus.keys.cursor(self.bob))"
      _ = try await bus.command("HSET", key, "a", "\(now * 1_000)-4", "b", "nonsense")
      let limits = MailboxLimits(historyEntries: 0, retentionSeconds: 1_000)
      #expect(try await bus.trim(self.bob, limits).removed == 0)
      let fields = try await bus.cursors(self.bob)
      for (device, acked) in [("a", "\(now * 1_000)-4"), ("b", "0-0")] {
        let parts = fields[device]!.split(separator: " ")
        #expect(parts[0] == acked)
        #expect(Int(parts[1])! >= now)
      }
      _ = try await bus.command("HDEL", key, "b")
      #expect(try await bus.trim(self.bob, limits).removed == 4)
    }
  }

  @Test("removes what is older than the retention, acked or not, and says up to where")
  func age() async throws {
    try await Bus.run { bus in
      let now = UInt64(try await bus.seconds())
      let old = [offset((now - 1_100) * 1_000, 5), offset((now - 1_010) * 1_000)]
      let young = [offset((now - 900) * 1_000), offset(now * 1_000)]
      try await self.fill(bus, old + young)
      let limits = MailboxLimits(historyEntries: 100, retentionSeconds: 1_000)
      // No device is known: nothing is acked.
      #expect(try await bus.trim(self.bob, limits).counts == [2, 2])
      #expect(try await self.offsets(bus) == young)
      #expect(try await bus.cursors(self.bob) == ["!removed": "\(old[1])"])
      #expect(try await bus.trim(self.bob, limits, makesRoom: true).removed == 0)
      let position = try await bus.client.value {
        Cursors.position(of: .default, in: bus.keys.cursor(self.bob), to: &$0)
      }
      #expect(position.hasGap)
    }
  }

  @Test("removes so many entries per call and no more")
  func bound() async throws {
    try await Bus.run { bus in
      let maximum = MessagingLimits.entriesPerTrim
      let count = 2 * maximum + 300
      try await self.fill(bus, (1...count).map { offset(UInt64($0)) })
      try await bus.setCursor(offset(.max), of: self.bob)
      let limits = MailboxLimits.ageless(history: 100)
      for removed in [maximum, maximum, 200, 0] {
        #expect(try await bus.trim(self.bob, limits).removed == removed)
      }
      #expect(try await bus.length(bus.keys.mailbox(self.bob)) == 100)
      // The same for age.
      try await self.fill(bus, (count + 1...count + maximum).map { offset(UInt64($0)) })
      for removed in [maximum, 100, 0] {
        #expect(try await bus.trim(self.bob, MailboxLimits()).removed == removed)
      }
    }
  }

  @Test("never takes back what was removed")
  func monotone() async throws {
    try await Bus.run { bus in
      try await self.fill(bus, (1...9).map { offset($0) })
      try await bus.setCursor(offset(9), of: self.bob)
      _ = try await bus.command("HSET", "\(bus.keys.cursor(self.bob))", "!removed", "10-0")
      #expect(try await bus.trim(self.bob, .ageless(history: 4)).removed == 5)
      #expect(try await bus.cursors(self.bob)["!removed"] == "10-0")
    }
  }

  @Test("lets the keys outlive the retention, and makes none")
  func expiry() async throws {
    try await Bus.run { bus in
      let mailbox = bus.keys.mailbox(self.bob)
      let cursor = bus.keys.cursor(self.bob)
      #expect(
        try await bus.trim(self.bob, MailboxLimits()).counts == [0, 0])
      #expect(try await bus.timeToLive(mailbox) == -2)
      #expect(try await bus.timeToLive(cursor) == -2)
      let now = UInt64(try await bus.seconds())
      try await self.fill(bus, [offset(now * 1_000)])
      try await bus.setCursor(.zero, of: self.bob)
      _ = try await bus.trim(self.bob, MailboxLimits(retentionSeconds: 5_000))
      let life = 5_000 + BusLimits.mailboxExpirySlackSeconds
      for key in [mailbox, cursor] {
        #expect((life - 60...life).contains(try await bus.timeToLive(key)))
      }
    }
  }

  @Test("works when memory is full, even where the script is not known yet")
  func outOfMemory() async throws {
    try await RedisFixture.withServer { server in
      try await Bus.run(url: server.url) { bus in
        try await self.fill(bus, (1...50).map { offset($0) })
        try await bus.setCursor(offset(40), of: self.bob)
        _ = try await bus.command("CONFIG", "SET", "maxmemory", "1")
        let refused = await #expect(throws: RedisError.self) {
          try await self.fill(bus, [offset(51)])
        }
        guard case .server(let error) = refused else { throw refused ?? .unavailable("no error") }
        #expect(error.code == "OOM")
        #expect(
          try await bus.trim(self.bob, .ageless(history: 10)).counts
            == [20, 30])
        #expect(try await bus.cursors(self.bob)["!removed"] == "30-0")
      }
    }
  }
}
