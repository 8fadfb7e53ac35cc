import ConnectTestStand
import MessageBus
import SeededRandom
import Testing

@testable import Messaging

@Suite("Leases, decided")
struct LeaseStateMachineTests {
  private typealias Action = LeaseStateMachine.Action

  private static func members(_ count: Int) -> Set<InstanceID> {
    Set((0..<count).map { InstanceID("m\($0)")! })
  }

  @Test(
    "divide the partitions evenly, and completely, among any number of members",
    arguments: [1, 2, 3, 5, 16, 17, 40])
  func shares(count: Int) {
    let partitions = PartitionMap(count: 16).all
    let members = Self.members(count)
    let shares = members.map { member in
      LeaseStateMachine(instance: member, partitions: partitions).share(of: members)
    }
    #expect(shares.reduce(0, +) == 16)
    #expect(shares.max()! - shares.min()! <= 1)
  }

  @Test("come to rest with every partition owned once, whoever comes and goes", arguments: 0..<20)
  func settle(seed: Int) {
    var random = SplitMix64(seed: UInt64(seed))
    var world = World(partitions: 16)
    var next = 0
    for _ in 0..<12 {
      switch Int.random(in: 0..<3, using: &random) {
      case 0 where world.machines.count > 1:
        world.stop(world.machines.keys.sorted { $0.text < $1.text }.randomElement(using: &random)!)
      case 1 where world.machines.count > 1:
        world.kill(world.machines.keys.sorted { $0.text < $1.text }.randomElement(using: &random)!)
      default:
        world.start(InstanceID("m\(next)")!)
        next += 1
      }
      for _ in 0..<6 { world.turn(using: &random) }
      let owners = world.holders.map { $0?.instance }
      #expect(owners.allSatisfy { $0 != nil }, "nothing stays free")
      let counts = world.machines.keys.map { member in owners.count { $0 == member } }
      #expect(counts.reduce(0, +) == 16, "nobody dead owns anything")
      #expect((counts.max() ?? 0) - (counts.min() ?? 0) <= 1, "the shares are fair")
      let before = world.holders
      for _ in 0..<3 { world.turn(using: &random) }
      #expect(world.holders == before, "nothing moves while nobody comes or goes")
    }
  }

  @Test("move no more than they must when a member joins")
  func movesLittle() {
    var random = SplitMix64(seed: 1)
    var world = World(partitions: 16)
    for number in 0..<3 { world.start(InstanceID("m\(number)")!) }
    for _ in 0..<6 { world.turn(using: &random) }
    let before = world.holders
    world.start(InstanceID("n")!)
    for _ in 0..<6 { world.turn(using: &random) }
    let moved = zip(before, world.holders).count { $0 != $1 }
    #expect(moved == 4, "only the newcomer's share")
  }

  @Test("stop at once what somebody else holds, and keep what merely lapsed")
  func lost() {
    let partitions = PartitionMap(count: 2).all
    let mine = InstanceID("a")!
    var machine = LeaseStateMachine(instance: mine, partitions: partitions)
    let taken = machine.observed(members: [mine], holders: [nil, nil])
    let tokens = taken.compactMap { action -> LeaseToken? in
      guard case .acquire(let partition, _) = action else { return nil }
      return machine.answered(partition, isOurs: true)
    }
    #expect(tokens.count == 2)
    #expect(machine.observed(members: [mine], holders: [nil, tokens[1]]) == [])
    #expect(machine.held.count == 2)
    let thief = LeaseToken(instance: InstanceID("b")!)
    #expect(
      machine.observed(members: [mine], holders: [thief, tokens[1]]) == [.stop(partitions[0])])
    #expect(machine.held.map(\.0) == [partitions[1]])
  }

  @Test("are not ours when the answer says so")
  func refused() {
    let partitions = PartitionMap(count: 1).all
    let mine = InstanceID("a")!
    var machine = LeaseStateMachine(instance: mine, partitions: partitions)
    #expect(machine.observed(members: [mine], holders: [nil]).count == 1)
    #expect(machine.observed(members: [mine], holders: [nil]) == [], "it is being asked for")
    #expect(machine.answered(partitions[0], isOurs: false) == nil)
    #expect(machine.held.isEmpty)
    #expect(machine.observed(members: [mine], holders: [nil]).count == 1)
  }
}

/// Members and a Redis of values, without time: a lease of the dead lapses when it is looked at.
private struct World {
  var holders: [LeaseToken?]
  var machines: [InstanceID: LeaseStateMachine] = [:]
  private let partitions: [Partition]

  init(partitions count: Int) {
    self.partitions = PartitionMap(count: count).all
    self.holders = Array(repeating: nil, count: count)
  }

  mutating func start(_ member: InstanceID) {
    self.machines[member] = LeaseStateMachine(instance: member, partitions: self.partitions)
  }

  /// A planned stop.
  mutating func stop(_ member: InstanceID) {
    let actions = self.machines[member]!.releaseAll()
    self.machines[member] = nil
    for case .release(let partition, _) in actions { self.holders[partition.number] = nil }
  }

  mutating func kill(_ member: InstanceID) {
    self.machines[member] = nil
    for (number, holder) in self.holders.enumerated() where holder?.instance == member {
      self.holders[number] = nil
    }
  }

  /// Everyone looks once, in any order.
  mutating func turn(using random: inout SplitMix64) {
    let members = Set(self.machines.keys)
    for member in members.sorted(by: { $0.text < $1.text }).shuffled(using: &random) {
      let actions = self.machines[member]!.observed(members: members, holders: self.holders)
      for action in actions {
        switch action {
        case .acquire(let partition, let token):
          let isFree = self.holders[partition.number] == nil
          if isFree { self.holders[partition.number] = token }
          _ = self.machines[member]!.answered(partition, isOurs: isFree)
        case .release(let partition, let token):
          if self.holders[partition.number] == token { self.holders[partition.number] = nil }
          self.machines[member]!.released(partition)
        case .stop: break
        }
      }
    }
  }
}
