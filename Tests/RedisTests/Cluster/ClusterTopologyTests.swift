import SeededRandom
import TestSupport
import Testing

@testable import Redis

@Suite("A cluster's topology")
struct ClusterTopologyTests {
  private static let asked = RedisAddress(host: "asked.example", port: 7_000)

  private func topology(_ text: String) throws -> ClusterTopology {
    var cursor = try parsed(text).cursor(0)
    return try ClusterTopology(from: &cursor, asked: Self.asked)
  }

  /// A range with its primary, as CLUSTER SLOTS answers it.
  private func range(_ first: Int, _ last: Int, _ nodes: String...) -> String {
    "*\(2 + nodes.count)\r\n:\(first)\r\n:\(last)\r\n" + nodes.joined()
  }

  private func node(_ host: String, _ port: Int, _ more: String...) -> String {
    "*\(2 + more.count)\r\n\(host):\(port)\r\n" + more.joined()
  }

  private func owner(_ slot: Int, _ topology: ClusterTopology) -> String? {
    topology.owner(of: HashSlot(number: slot))?.description
  }

  @Test("is that of CLUSTER SLOTS, whose ranges may come in any order")
  func plain() throws {
    let id = bulk(String(repeating: "a", count: 40))
    let topology = try topology(
      array(
        range(10_923, 16_383, node(bulk("10.0.0.3"), 3, id, "*0\r\n")),
        range(0, 5_460, node(bulk("10.0.0.1"), 1, id, "*0\r\n"), node(bulk("10.0.0.9"), 9, id)),
        range(5_461, 10_922, node(bulk("10.0.0.2"), 2, id))))
    #expect(topology.primaries.map(\.description) == ["10.0.0.1:1", "10.0.0.2:2", "10.0.0.3:3"])
    for (slot, expected) in [
      (0, "10.0.0.1:1"), (5_460, "10.0.0.1:1"), (5_461, "10.0.0.2:2"), (10_922, "10.0.0.2:2"),
      (10_923, "10.0.0.3:3"), (16_383, "10.0.0.3:3"),
    ] {
      #expect(owner(slot, topology) == expected)
    }
    #expect(topology.isComplete)
  }

  @Test("names a primary once, however many ranges it has")
  func severalRanges() throws {
    let (a, b) = (node(bulk("a"), 1), node(bulk("b"), 2))
    let topology = try topology(
      array(range(0, 0, a), range(1, 1, b), range(2, 100, a), range(101, 16_383, b)))
    #expect(topology.primaries.map(\.host) == ["a", "b"])
    #expect(
      [0, 1, 2, 100, 101].map { owner($0, topology) } == ["a:1", "b:2", "a:1", "a:1", "b:2"])
  }

  @Test("knows a node by the host name that it announces, rather than by its address")
  func hostname() throws {
    let id = bulk("id")
    let named = array(bulk("hostname"), bulk("one.example"))
    let both = array(bulk("ip"), bulk("10.0.0.2"), bulk("hostname"), bulk("two.example"))
    let none = array(bulk("hostname"), bulk(""), bulk("ip"), bulk("10.0.0.3"))
    let topology = try topology(
      array(
        range(0, 0, node(bulk("10.0.0.1"), 1, id, named)),
        range(1, 1, node(bulk("?"), 2, id, both, bulk("of a later version"))),
        range(2, 2, node(bulk("10.0.0.3"), 3, id, none)),
        range(3, 3, node(bulk("four.example"), 4, id, array(bulk("ip"), bulk("10.0.0.4")))),
        range(4, 4, node(bulk("10.0.0.5"), 5, id, "*-1\r\n"))))
    #expect(
      topology.primaries.map(\.description) == [
        "one.example:1", "two.example:2", "10.0.0.3:3", "four.example:4", "10.0.0.5:5",
      ])
  }

  @Test("takes a node without a name for the host that was asked", arguments: ["?", "", nil])
  func namelessNode(host: String?) throws {
    let host = host.map { bulk($0) } ?? "$-1\r\n"
    let topology = try topology(array(range(0, 16_383, node(host, 7_001, bulk("id"), "*0\r\n"))))
    #expect(topology.primaries == [RedisAddress(host: "asked.example", port: 7_001)])
  }

  @Test("has IPv6 addresses as they are")
  func ipv6() throws {
    let topology = try topology(array(range(0, 16_383, node(bulk("2001:db8::1"), 6_379))))
    #expect(topology.primaries == [RedisAddress(host: "2001:db8::1", port: 6_379)])
    #expect(topology.primaries[0].description == "[2001:db8::1]:6379")
  }

  @Test("says which slots nobody has")
  func gaps() throws {
    let a = node(bulk("a"), 1)
    let topology = try topology(array(range(1, 99, a), range(101, 16_383, a), range(100, 100)))
    #expect(!topology.isComplete)
    let isOwned = [0, 1, 99, 100, 101].map { owner($0, topology) != nil }
    #expect(isOwned == [false, true, true, false, true])
    let empty = try self.topology("*0\r\n")
    #expect(empty.primaries.isEmpty)
    #expect(!empty.isComplete)
    #expect(owner(0, empty) == nil)
  }

  static let malformed: [(String, String)] = [
    ("+OK\r\n", "expected an array, got a string"),
    ("*1\r\n:1\r\n", "expected an array, got an integer"),
    ("*1\r\n*-1\r\n", "CLUSTER SLOTS answered a range without ends"),
    ("*1\r\n*1\r\n:0\r\n", "CLUSTER SLOTS answered a range without ends"),
    ("*1\r\n*2\r\n:0\r\n$1\r\n9\r\n", "expected an integer, got a string"),
    ("*1\r\n*2\r\n:-1\r\n:5\r\n", "CLUSTER SLOTS answered slots -1 to 5"),
    ("*1\r\n*2\r\n:5\r\n:4\r\n", "CLUSTER SLOTS answered slots 5 to 4"),
    ("*1\r\n*2\r\n:0\r\n:16384\r\n", "CLUSTER SLOTS answered slots 0 to 16384"),
    ("*1\r\n*3\r\n:0\r\n:1\r\n$1\r\na\r\n", "expected an array, got a string"),
    ("*1\r\n*3\r\n:0\r\n:1\r\n*0\r\n", "CLUSTER SLOTS answered a node without a port"),
    ("*1\r\n*3\r\n:0\r\n:1\r\n*1\r\n$1\r\na\r\n", "CLUSTER SLOTS answered a node without a port"),
    ("*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n", "expected an integer, got a string"),
    ("*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n:1\r\n:1\r\n", "expected a string, got an integer"),
    (
      "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$4\r\na\u{1b}[m\r\n:1\r\n",
      "CLUSTER SLOTS answered a node whose name is not that of a host"
    ),
  ]

  @Test("is refused in any other form, with what is wrong", arguments: malformed)
  func refusals(text: String, reason: String) {
    #expect(throws: RedisError.unexpectedReply(reason)) { try self.topology(text) }
  }

  @Test("has no primary whose port no node can have", arguments: [-1, 0, 65_536])
  func impossiblePorts(port: Int) {
    #expect(throws: RedisError.unexpectedReply("CLUSTER SLOTS answered port \(port)")) {
      try self.topology(array(range(0, 16_383, node(bulk("a"), port))))
    }
  }

  /// A node, or what is between, may name another address with each answer.
  @Test("takes a limited number of primaries for true")
  func bounded() throws {
    var topology = ClusterTopology([(0...9, RedisAddress(host: "a", port: 1))])
    for number in 0..<20_000 {
      let address = RedisAddress(host: "node-\(number)", port: 1)
      let isNew = topology.move(HashSlot(number: number % HashSlot.count), to: address)
      #expect(isNew == (number < RedisLimits.maximumPrimaries - 1))
    }
    #expect(topology.primaries.count == RedisLimits.maximumPrimaries)
    #expect(throws: RedisError.unexpectedReply("CLUSTER SLOTS answered 16385 ranges")) {
      try self.topology(
        "*\(HashSlot.count + 1)\r\n"
          + String(repeating: range(0, 0, node(bulk("a"), 1)), count: HashSlot.count + 1))
    }
  }

  @Test("survives any answer")
  func fuzz() throws {
    let id = bulk("id")
    let text = array(
      range(0, 5_460, node(bulk("10.0.0.1"), 1, id, array(bulk("hostname"), bulk("one")))),
      range(5_461, 16_383, node(bulk("?"), 2, id, "*0\r\n"), node(bulk("10.0.0.9"), 9, id)))
    var cursor = try parsed(text).cursor(0)
    let tree = try ReplyTree(from: &cursor)
    var random = SplitMix64(seed: 11)
    for _ in 0..<20_000 {
      var damaged = tree
      damaged.damage(using: &random)
      guard
        let replies = try? RedisReplies(parsing: damaged.encoded, count: 1),
        var cursor = try? replies.cursor(0)
      else { continue }
      _ = try? ClusterTopology(from: &cursor, asked: Self.asked)
    }
  }

  @Test("changes by what a node says of one slot, and says whether that was new")
  func move() throws {
    let (a, b) = (RedisAddress(host: "a", port: 1), RedisAddress(host: "b", port: 2))
    var topology = ClusterTopology([(0...9, a)])
    let before = topology
    func move(_ slot: Int, to address: RedisAddress) -> Bool {
      topology.move(HashSlot(number: slot), to: address)
    }
    #expect(!move(5, to: a))
    #expect(topology == before)
    #expect(move(5, to: b))
    #expect(topology != before)
    #expect(!move(5, to: b))
    #expect([4, 5, 6].map { owner($0, topology) } == ["a:1", "b:2", "a:1"])
    #expect(topology.primaries == [a, b])
    // Of a slot that nobody had, too.
    #expect(move(16_383, to: a))
    #expect(owner(16_383, topology) == "a:1")
    #expect(topology.primaries == [a, b])
  }
}
