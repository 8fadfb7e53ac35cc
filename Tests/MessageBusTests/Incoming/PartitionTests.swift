import BusTestSupport
import ConnectProtocol
import Redis
import Testing

@testable import MessageBus

@Suite("The partitions")
struct PartitionTests {
  /// FNV-1a in arithmetic that cannot overflow: 128 bits of product, of which the low 64 count.
  private func fnv1a(_ text: String) -> UInt64 {
    text.utf8.reduce(14_695_981_039_346_656_037) { hash, byte in
      (hash ^ UInt64(byte)).multipliedFullWidth(by: 1_099_511_628_211).low
    }
  }

  @Test("are chosen by FNV-1a of the recipient")
  func choice() throws {
    // From the authors' own test vectors.
    #expect(self.fnv1a("") == 0xcbf2_9ce4_8422_2325)
    #expect(self.fnv1a("a") == 0xaf63_dc4c_8601_ec8c)
    #expect(self.fnv1a("foobar") == 0x8594_4171_f739_67e8)
    for count in [1, 2, 3, 16, 64, 1_024] {
      let map = PartitionMap(count: count)
      for number in 0..<500 {
        let user = try #require(UserName("user.\(number)@example"))
        let expected = Int(self.fnv1a(user.text) % UInt64(count))
        if map.partition(for: user).number != expected { Issue.record("\(user) of \(count)") }
      }
    }
  }

  @Test("take their share of users each")
  func shares() throws {
    let map = PartitionMap(count: 16)
    var counts = [Int](repeating: 0, count: 16)
    for number in 0..<16_000 {
      counts[map.partition(for: try #require(UserName("user\(number)"))).number] += 1
    }
    // 1,000 are expected, with a standard deviation of 31.
    for count in counts { #expect((850...1_150).contains(count)) }
  }

  @Test("have tags that fall into equal ranges of slots", arguments: [1, 2, 3, 16, 64, 1_024])
  func tags(count: Int) {
    let map = PartitionMap(count: count)
    #expect(map.all.map(\.number) == Array(0..<count))
    for partition in map.all {
      let tag = map.tag(of: partition)
      let slot = HashSlot(hashing: tag).number
      #expect(slot * count / 16_384 == partition.number || count == 3)
      #expect(slot >= partition.number * 16_384 / count)
      #expect(slot < (partition.number + 1) * 16_384 / count)
      #expect(tag == "p\(partition.number)" || tag.hasPrefix("p\(partition.number)."))
    }
    #expect(Set(map.all.map(map.tag)).count == count)
  }

  /// They are part of the data.
  @Test("never change their tags")
  func stableTags() {
    #expect(PartitionMap(count: 1).all.map(PartitionMap(count: 1).tag) == ["p0"])
    let map = PartitionMap()
    #expect(map.all.count == 16)
    #expect(map.all.map(map.tag) == PartitionMap(count: 16).all.map(PartitionMap(count: 16).tag))
  }
}

@Suite("The keys")
struct KeysTests {
  @Test("have the names of the architecture")
  func names() throws {
    let keys = Keys(partitions: PartitionMap(count: 1))
    let bob = try #require(UserName("bob"))
    let gateway = try #require(InstanceID("g-1"))
    #expect("\(keys.incoming(keys.partitions.all[0]))" == "connect:incoming:{p0}")
    #expect("\(keys.outgoing(gateway))" == "connect:outgoing:{g-1}")
    #expect("\(keys.gateway(gateway))" == "connect:gateway:{g-1}")
    #expect("\(keys.session(bob))" == "connect:session:{bob}")
    #expect("\(keys.mailbox(bob))" == "connect:mailbox:{bob}")
    #expect("\(keys.cursor(bob))" == "connect:cursor:{bob}")
    #expect("\(keys.deadLetters)" == "connect:deadletter")
    #expect("\(keys.partitionCount)" == "connect:partitions")
  }

  @Test("of one user share a slot, and every key begins with the prefix")
  func slots() throws {
    let keys = Keys(prefix: "other/", partitions: PartitionMap(count: 3))
    let user = try #require(UserName("a@b:c+d"))
    #expect(
      Set([keys.session(user), keys.mailbox(user), keys.cursor(user)].map(\.slot)).count == 1)
    for partition in keys.partitions.all {
      #expect(
        "\(keys.incoming(partition))" == "other/incoming:{\(keys.partitions.tag(of: partition))}")
    }
    #expect("\(keys.deadLetters)" == "other/deadletter")
  }
}

@Suite("The keys, where there are two Redis,")
struct KeyHomeTests {
  private let users = [UserName("bob")!, UserName("a@b:c+d")!]

  private func keysOfUsers(_ keys: Keys) -> [RedisKey] {
    self.users.flatMap { [keys.session($0), keys.mailbox($0), keys.cursor($0)] }
  }

  private func keysOfTheBus(_ keys: Keys) throws -> [RedisKey] {
    let instance = try #require(InstanceID("i-1"))
    return keys.partitions.all.flatMap {
      [keys.incoming($0), keys.lease($0), keys.attempts($0)]
    } + [
      keys.outgoing(instance), keys.gateway(instance), keys.messaging(instance),
      keys.deadLetters, keys.partitionCount, keys.messagingMembers, keys.leaseEvents, keys.gateways,
    ]
  }

  @Test("live in the second if they belong to a user, and else in the first")
  func homes() throws {
    let keys = Keys(partitions: PartitionMap(count: 3), hasRegistryRedis: true)
    #expect(self.keysOfUsers(keys).allSatisfy { $0.home == .second })
    #expect(try self.keysOfTheBus(keys).allSatisfy { $0.home == .first })
    #expect(keys.registry.home == .second)
    for key in try self.keysOfUsers(keys) + self.keysOfTheBus(keys) {
      #expect(keys.key(named: "\(key)").home == key.home, "\(key)")
    }
  }

  @Test("are all in the one that there is")
  func oneRedis() throws {
    let keys = Keys(partitions: PartitionMap(count: 3))
    let all = try self.keysOfUsers(keys) + self.keysOfTheBus(keys) + [keys.registry]
    #expect(all.allSatisfy { $0.home == .first && keys.key(named: "\($0)").home == .first })
  }
}

@Suite("A gateway's id")
struct InstanceIDTests {
  @Test("is taken", arguments: ["a", "gateway-1", "A.b_C-9", String(repeating: "x", count: 64)])
  func taken(text: String) {
    #expect(InstanceID(text)?.text == text)
    #expect(InstanceID(text).map { "\($0)" } == text)
  }

  @Test(
    "is refused",
    arguments: [
      "", "a/b", "a b", "a:b", "a{b}", "é", "a\0", "a\n", String(repeating: "x", count: 65),
    ])
  func refused(text: String) {
    #expect(InstanceID(text) == nil)
  }
}
