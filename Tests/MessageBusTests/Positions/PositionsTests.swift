import BusTestSupport
import ConnectProtocol
import Redis
import TestSupport
import Testing

@testable import MessageBus

extension Bus {
  /// Moves a row of alice's positions.
  func advance(
    _ peer: String = "bob", delivered: Offset = .zero, read: Offset = .zero,
    mine: Offset = .zero, limits: PositionLimits = PositionLimits()
  ) async throws -> Positions.Advance {
    let call = Positions.advance(
      UserName("alice")!, peer: UserName(peer)!,
      told: Envelope.Position(delivered: delivered, read: read), mine: mine, keys: self.keys,
      limits: limits)
    return try await self.client.run([call])[0].get()
  }

  /// Alice's positions.
  func table() async throws -> Positions.Table {
    let key = self.keys.positions(UserName("alice")!)
    return try await self.client.value { Positions.table(of: key, to: &$0) }
  }

  fileprivate func raise(to offset: Offset) async throws -> Offset {
    let call = Positions.raiseDelivered(
      to: offset, in: self.keys.positions(UserName("alice")!), limits: PositionLimits())
    return try await self.client.run([call])[0].get()
  }

  /// When rows were last removed.
  fileprivate func swept() async throws -> UInt64 {
    var cursor = try await self.command(
      "HGET", "\(self.keys.positions(UserName("alice")!))", "!swept")
    return try cursor.string().flatMap { UInt64($0) } ?? 0
  }

  fileprivate func milliseconds() async throws -> UInt64 {
    try await self.client.value { $0.time() }
  }
}

extension Positions.Table {
  fileprivate func row(_ peer: String) -> Positions.Row? {
    self.rows.first { $0.peer.text == peer }?.row
  }

  fileprivate var peers: Set<String> { Set(self.rows.map(\.peer.text)) }
}

@Suite("A row of positions", .timeLimit(.minutes(20)))
struct PositionsTests {
  private let alice = UserName("alice")!

  @Test("only moves forward, each field by itself")
  func forward() async throws {
    try await Bus.run { bus in
      let first = try await bus.advance(delivered: offset(5, 10))
      #expect(first.moved)
      #expect(first.row?.delivered == offset(5, 10))
      #expect(first.row?.read == .zero)
      #expect(first.row?.mine == .zero)
      for (delivered, read, mine, moves) in [
        (offset(5, 9), .zero, .zero, false), (offset(5, 10), .zero, .zero, false),
        (offset(4, 99), offset(3), .zero, true), (.zero, offset(2), offset(7), true),
        (.zero, offset(3), offset(6), false), (offset(10), .zero, .zero, true),
      ] as [(Offset, Offset, Offset, Bool)] {
        let advance = try await bus.advance(delivered: delivered, read: read, mine: mine)
        #expect(advance.moved == moves, "\(delivered) \(read) \(mine)")
      }
      let row = try #require(try await bus.table().row("bob"))
      #expect(row.delivered == offset(10))
      #expect(row.read == offset(3))
      #expect(row.mine == offset(7))
    }
  }

  @Test("has Redis's time as its stamp, or one more than the highest where that is not behind")
  func stamps() async throws {
    try await Bus.run { bus in
      let before = try await bus.milliseconds()
      var last = try await bus.advance(delivered: offset(1))
      #expect(last.previous == 0)
      let after = try await bus.milliseconds()
      #expect((before...after).contains(last.row?.stamp ?? 0))
      for number in 2..<20 as Range<UInt64> {
        let advance = try await bus.advance(number % 2 == 0 ? "carol" : "bob", mine: offset(number))
        #expect(advance.previous == last.row?.stamp)
        #expect((advance.row?.stamp ?? 0) > advance.previous)
        last = advance
      }
      #expect(try await bus.table().summary.top == last.row?.stamp)

      _ = try await bus.command(
        "HSET", "\(bus.keys.positions(self.alice))", "!top", "9000000000000000")
      let ahead = try await bus.advance("dora", mine: offset(1))
      #expect(ahead.previous == 9_000_000_000_000_000)
      #expect(ahead.row?.stamp == 9_000_000_000_000_001)
    }
  }

  @Test("is made by what is delivered or what the user has read, but not by what the peer has read")
  func rowsMade() async throws {
    try await Bus.run { bus in
      let nothing = try await bus.advance(read: offset(5))
      #expect(!nothing.moved)
      #expect(nothing.row == nil)
      #expect(try await bus.table().rows.isEmpty)

      #expect(try await bus.advance("carol", mine: offset(1)).moved)
      #expect(try await bus.advance("carol", read: offset(5)).moved)
      #expect(try await bus.advance("dora", delivered: offset(4), read: offset(5)).moved)
      let table = try await bus.table()
      #expect(table.peers == ["carol", "dora"])
      #expect(table.row("carol")?.read == offset(5))
      #expect(table.row("dora")?.read == offset(5))
    }
  }

  @Test("that does not move costs no write but the key's expiry")
  func unmoved() async throws {
    try await Bus.run { bus in
      let key = bus.keys.positions(self.alice)
      let moved = try await bus.advance(delivered: offset(5))
      let before = try await bus.table()
      _ = try await bus.command("EXPIRE", "\(key)", "5")
      let again = try await bus.advance(delivered: offset(5))
      #expect(!again.moved)
      #expect(again.row == moved.row)
      #expect(again.previous == moved.row?.stamp)
      let after = try await bus.table()
      #expect(after.summary == before.summary)
      #expect(after.row("bob") == before.row("bob"))
      #expect(try await bus.timeToLive(key) > PositionLimits().retentionSeconds)
    }
  }

  @Test("of a peer that is in no known form begins again, and is told nobody until then")
  func unreadable() async throws {
    try await Bus.run { bus in
      let key = "\(bus.keys.positions(self.alice))"
      _ = try await bus.command("HSET", key, "bob", "5-0 1", "a name", "1-0 0-0 0-0 1")
      #expect(try await bus.table().rows.isEmpty)
      #expect(try await bus.advance(delivered: offset(3)).row?.delivered == offset(3))
      #expect(try await bus.table().peers == ["bob"])
    }
  }

  @Test("is one of a bounded number: those with nothing read go first, the others raise the floor")
  func bounded() async throws {
    try await Bus.run { bus in
      let limits = PositionLimits(rows: 8)
      for number in 1...4 as ClosedRange<UInt64> {
        _ = try await bus.advance("read\(number)", mine: offset(number), limits: limits)
      }
      for number in 1...4 as ClosedRange<UInt64> {
        _ = try await bus.advance("told\(number)", delivered: offset(9), limits: limits)
      }
      let old: Set = ["read1", "read2", "read3", "read4", "told1", "told2", "told3", "told4"]
      #expect(try await bus.table().peers == old)
      #expect(try await bus.table().summary.floor == .zero)
      for number in 1...4 {
        _ = try await bus.advance("new\(number)", mine: offset(20), limits: limits)
        let table = try await bus.table()
        #expect(table.rows.count == 8)
        #expect(!table.peers.contains("told\(number)"))
        #expect(table.summary.floor == .zero)
      }
      #expect(try await bus.advance("more1", mine: offset(20), limits: limits).floor == offset(1))
      #expect(try await bus.advance("more2", mine: offset(20), limits: limits).floor == offset(2))
      let table = try await bus.table()
      #expect(table.rows.count == 8)
      #expect(!table.peers.contains("read1") && !table.peers.contains("read2"))
      #expect(table.summary.floor == offset(2))
      let again = try await bus.advance("read1", delivered: offset(9), limits: limits)
      #expect(again.row?.mine == .zero)
    }
  }

  @Test("that has not moved for the retention is removed, once a day, and leaves no floor")
  func old() async throws {
    try await Bus.run { bus in
      let key = "\(bus.keys.positions(self.alice))"
      let limits = PositionLimits(retentionSeconds: 100)
      let now = try await bus.milliseconds()
      _ = try await bus.command(
        "HSET", key, "old", "1-0 0-0 7-0 \(now - 200_000)", "young", "1-0 0-0 7-0 \(now - 50_000)",
        "!swept", "\(now - 80_000_000)")
      _ = try await bus.advance("bob", mine: offset(1), limits: limits)
      #expect(try await bus.table().peers == ["bob", "old", "young"], "it is not a day yet")
      _ = try await bus.command("HSET", key, "!swept", "\(now - 90_000_000)")
      _ = try await bus.advance("carol", mine: offset(1), limits: limits)
      let table = try await bus.table()
      #expect(table.peers == ["bob", "carol", "young"])
      #expect(table.summary.floor == .zero)
    }
  }

  @Test("that has not moved for the retention is removed by a move of another that is there, too")
  func oldWithoutNew() async throws {
    try await Bus.run { bus in
      let key = "\(bus.keys.positions(self.alice))"
      let limits = PositionLimits(rows: 3, retentionSeconds: 100)
      let now = try await bus.milliseconds()
      _ = try await bus.command(
        "HSET", key, "old", "1-0 0-0 7-0 \(now - 200_000)", "bob", "4-0 3-0 9-0 \(now - 300_000)",
        "young", "1-0 0-0 7-0 \(now - 50_000)", "!top", "\(now - 50_000)", "!swept",
        "\(now - 90_000_000)")
      let row = try #require(try await bus.advance(delivered: offset(5), limits: limits).row)
      #expect(row.delivered == offset(5) && row.read == offset(3) && row.mine == offset(9))
      let table = try await bus.table()
      #expect(table.peers == ["bob", "young"])
      #expect(table.row("bob") == row)
      #expect(table.summary.floor == .zero)
    }
  }

  @Test("looks at no other before there are as many as may be, whatever is noted beside them")
  func roomLeft() async throws {
    try await Bus.run { bus in
      let key = "\(bus.keys.positions(self.alice))"
      let limits = PositionLimits(rows: 8)
      let swept = try await bus.milliseconds() - 1_000
      _ = try await bus.command(
        "HSET", key, "!top", "1", "!floor", "1-0", "!delivered", "2-0", "!swept", "\(swept)")
      for number in 1...8 as ClosedRange<UInt64> {
        _ = try await bus.advance("peer\(number)", mine: offset(number), limits: limits)
      }
      #expect(try await bus.swept() == swept)
      #expect(try await bus.table().rows.count == 8)
      _ = try await bus.advance("peer9", mine: offset(9), limits: limits)
      #expect(try await bus.swept() > swept)
      #expect(try await bus.table().rows.count == 8)
    }
  }

  @Test("comes with the user's connected devices, whether it moved or not")
  func sessions() async throws {
    try await Bus.run { bus in
      let phone = Session(device: "phone", gateway: InstanceID("g1")!, connection: "c1")
      var batch = RedisBatch()
      _ = SessionRegistry.register(phone, in: bus.keys.session(self.alice), to: &batch)
      try await bus.client.execute(batch).check()
      #expect(try await bus.advance(delivered: offset(1)).sessions == [phone])
      #expect(try await bus.advance(delivered: offset(1)).sessions == [phone])
      #expect(try await bus.advance(mine: offset(1)).sessions == [phone])
    }
  }

  @Test("moves though Redis has forgotten the script")
  func flushed() async throws {
    try await Bus.run { bus in
      #expect(try await bus.advance(delivered: offset(1)).moved)
      _ = try await bus.command("SCRIPT", "FLUSH")
      #expect(try await bus.advance(delivered: offset(2)).moved)
      _ = try await bus.command("SCRIPT", "FLUSH")
      #expect(try await bus.raise(to: offset(2)) == offset(2))
    }
  }

  @Test("does not move where the key is something else, and says so")
  func wrongType() async throws {
    try await Bus.run { bus in
      _ = try await bus.command("SET", "\(bus.keys.positions(self.alice))", "x")
      let call = Positions.advance(
        self.alice, peer: UserName("bob")!, mine: offset(1), keys: bus.keys,
        limits: PositionLimits())
      let result = await bus.client.run([call])[0]
      guard case .failure(.server(let error)) = result else {
        Issue.record("\(result)")
        return
      }
      #expect(!error.isTransient)
    }
  }

  @Test("aside, it is noted up to where senders were told: that only rises")
  func delivered() async throws {
    try await Bus.run { bus in
      #expect(try await bus.table().summary.delivered == nil)
      #expect(try await bus.raise(to: offset(5, 9)) == offset(5, 9))
      #expect(try await bus.raise(to: offset(5, 8)) == offset(5, 9))
      #expect(try await bus.raise(to: offset(5, 10)) == offset(5, 10))
      let key = bus.keys.positions(self.alice)
      _ = try await bus.command("EXPIRE", "\(key)", "5")
      #expect(try await bus.raise(to: offset(1)) == offset(5, 10))
      #expect(try await bus.timeToLive(key) > PositionLimits().retentionSeconds)
      let summary = try await bus.client.value { Positions.summary(of: key, to: &$0) }
      #expect(summary.delivered == offset(5, 10))
      #expect(summary.top == 0)
    }
  }
}
