import NIOCore

/// A client for a cluster: a connection to each primary that it needs, and one pipeline for each of
/// them per batch.
///
/// An answer of a node that has not executed a command (`MOVED`, `ASK`, `TRYAGAIN`, …) is followed:
/// the command is sent again, within bounds, and *the order of its slot is kept*; see ``SlotHold``.
/// A command that was not answered is not sent again: only the caller knows whether a repeat does
/// harm.
///
/// Unchecked: all state is touched on ``eventLoop`` only; the public entries check or hop.
final class ClusterClient: RedisClient, @unchecked Sendable {
  typealias Hold = SlotHold<ClusterRequest>

  /// A replaced view of the cluster while requests sent by it are under way.
  struct Transition {
    let topology: ClusterTopology
    /// Per node, the number of batches whose answers end everything under way by that view.
    var barriers: [RedisAddress: UInt64]
  }

  let eventLoop: any EventLoop
  private let configuration: RedisConfiguration
  let topologies: TopologyKeeper
  private let outages: OutageReport
  private(set) var topology: ClusterTopology
  /// All nodes that have a connection or are getting one.
  private(set) var nodes: [RedisAddress: ClusterNode] = [:]
  /// Nodes of ``topology``, by its indices, as far as they are needed.
  private var primaries: [ClusterNode?]
  private(set) var transitions: [Transition] = []
  /// Slots with units that must be sent again.
  var holds: [HashSlot: Hold] = [:]
  private var order: UInt64 = 0
  private var waiters: [EventLoopPromise<Void>] = []
  private(set) var isClosed = false

  init(
    _ configuration: RedisConfiguration, topologies: TopologyKeeper, on eventLoop: any EventLoop,
    outages: OutageReport
  ) {
    self.configuration = configuration
    self.topologies = topologies
    self.eventLoop = eventLoop
    self.outages = outages
    self.topology = topologies.topology
    self.primaries = Array(repeating: nil, count: self.topology.primaries.count)
    topologies.subscribe(self)
  }

  /// Whether a node can be reached, or was not needed yet.
  var isReady: Bool {
    self.eventLoop.preconditionInEventLoop()
    return !self.isClosed && !(!self.nodes.isEmpty && self.nodes.values.allSatisfy(\.isAway))
  }

  func submit(
    _ batch: RedisBatch, timeout: TimeAmount, completion: @escaping (RedisReplies) -> Void
  ) {
    let answers = BatchAnswers(count: batch.count, completion: completion)
    self.submit(batch, timeout: timeout) { answers.settle($0, $1) }
  }

  func submit(
    _ batch: RedisBatch, timeout: TimeAmount,
    onSettled: @escaping (Range<Int>, RedisReplies) -> Void
  ) {
    self.eventLoop.preconditionInEventLoop()
    guard !batch.isEmpty else {
      return onSettled(0..<0, RedisReplies(arena: nil, count: 0, failure: nil))
    }
    guard !self.isClosed else {
      return onSettled(0..<batch.count, .failed(batch.count, Self.closed))
    }
    self.order += 1
    let request = ClusterRequest(batch, timeout: timeout, order: self.order, onSettled: onSettled)
    if self.holds.isEmpty, self.transitions.isEmpty, let node = self.onlyNode(for: batch) {
      node.submit(batch, timeout: timeout) { replies in
        self.answered(request, replies, by: node)
      }
    } else {
      self.spread(request)
    }
  }

  func whenReady() -> EventLoopFuture<Void> {
    let promise = self.eventLoop.makePromise(of: Void.self)
    self.onEventLoop {
      if self.isClosed {
        promise.fail(Self.closed)
      } else if self.isReady {
        promise.succeed()
      } else {
        self.waiters.append(promise)
      }
    }
    return promise.futureResult
  }

  func close() -> EventLoopFuture<Void> {
    let promise = self.eventLoop.makePromise(of: Void.self)
    self.onEventLoop {
      self.isClosed = true
      self.topologies.unsubscribe(self)
      for node in self.nodes.values { node.close(Self.closed) }
      let holds = self.holds.values
      self.holds = [:]
      for var hold in holds {
        for unit in hold.takeAll() { self.giveUp(unit, Self.closed) }
      }
      self.waiters.forEach { $0.fail(Self.closed) }
      self.waiters = []
      promise.succeed()
    }
    return promise.futureResult
  }

  static let closed = RedisError.unavailable("the client is closed")

  private func onEventLoop(_ body: @escaping @Sendable () -> Void) {
    if self.eventLoop.inEventLoop { body() } else { self.eventLoop.execute(body) }
  }

  // MARK: Nodes

  /// The node that has a slot; nil if none has it.
  private func node(of slot: HashSlot) -> ClusterNode? {
    guard let index = self.topology.ownerIndex(of: slot) else { return nil }
    return self.primary(index)
  }

  private func primary(_ index: Int) -> ClusterNode {
    if let node = self.primaries[index] { return node }
    let node = self.node(at: self.topology.primaries[index])
    self.primaries[index] = node
    return node
  }

  /// The node for commands that any node can execute.
  private var anyNode: ClusterNode? {
    self.topology.primaries.isEmpty ? nil : self.primary(0)
  }

  func node(at address: RedisAddress) -> ClusterNode {
    if let node = self.nodes[address] { return node }
    let link = ServerLink(
      to: address, as: self.configuration, on: self.eventLoop, outages: self.outages)
    let node = ClusterNode(link) {
      self.wakeWaiters()
    } onFailure: {
      self.topologies.refresh()
    }
    self.nodes[address] = node
    return node
  }

  private func wakeWaiters() {
    let waiters = self.waiters
    self.waiters = []
    waiters.forEach { $0.succeed() }
  }

  /// The node that has all slots of a batch; nil for slots of several nodes, or without slots.
  private func onlyNode(for batch: RedisBatch) -> ClusterNode? {
    var only: Int?
    for command in batch.commands {
      guard let slot = command.slot else { continue }
      guard let owner = self.topology.ownerIndex(of: slot), only == nil || only == owner else {
        return nil
      }
      only = owner
    }
    return only.map { self.primary($0) } ?? self.anyNode
  }

  // MARK: The topology

  func apply(_ topology: ClusterTopology) {
    guard !self.isClosed, topology != self.topology else { return }
    let busy = self.nodes.filter { $0.value.isBusy }.mapValues(\.sent)
    // By a view that nothing was sent by, nothing is under way.
    if !busy.isEmpty, self.transitions.last?.barriers != busy {
      self.transitions.append(Transition(topology: self.topology, barriers: busy))
    }
    self.topology = topology
    self.primaries = topology.primaries.map { self.nodes[$0] }
    let addresses = Set(topology.primaries)
    for node in self.nodes.values {
      node.isRetired = !addresses.contains(node.address)
      self.closeIfRetired(node)
    }
    // Those that were away may be needed no more.
    if self.isReady { self.wakeWaiters() }
  }

  private func closeIfRetired(_ node: ClusterNode) {
    // Another one may have its address by now.
    guard node.isRetired, !node.isBusy, !self.isClosed, self.nodes[node.address] === node
    else { return }
    self.nodes[node.address] = nil
    node.close(.unavailable("\(node.address) has no slots any more"))
    self.outages.forget(node.address)
  }

  /// Continues what waited for answers of a node.
  func progressed(_ node: ClusterNode) {
    for slot in node.takePassedBarriers() where self.holds[slot]?.phase == .draining {
      self.holds[slot]?.phase = .ready
      self.sendRound(of: slot)
    }
    if !self.transitions.isEmpty { self.dropPassedBarriers(of: node) }
    self.closeIfRetired(node)
  }

  /// At once, not when all of a transition are passed: a node that is closed and comes back counts
  /// again.
  private func dropPassedBarriers(of node: ClusterNode) {
    for index in self.transitions.indices {
      guard let barrier = self.transitions[index].barriers[node.address], node.answered >= barrier
      else { continue }
      self.transitions[index].barriers[node.address] = nil
    }
    self.transitions.removeAll(where: \.barriers.isEmpty)
  }

  private func isPassed(_ barrier: UInt64, at address: RedisAddress) -> Bool {
    self.nodes[address].map { $0.answered >= barrier } ?? true
  }

  // MARK: Spreading a batch

  private func spread(_ request: ClusterRequest) {
    let batch = request.batch
    var shares: [(node: ClusterNode, part: BatchShare)] = []
    var unserved: [(Range<Int>, RedisError)] = []
    var start = 0
    while start < batch.count {
      let unit = batch.unit(at: start)
      start = unit.upperBound
      let slot = batch.commands[unit.lowerBound].slot
      if let slot, self.isHeld(slot) {
        self.holds[slot]?.insert(self.unit(unit, of: request))
        continue
      }
      guard let node = slot.map({ self.node(of: $0) }) ?? self.anyNode else {
        self.topologies.refresh()
        let reason = slot.map { "no node of the cluster has slot \($0.number)" }
        unserved.append((unit, .unavailable(reason ?? "the cluster has no nodes")))
        continue
      }
      let place =
        shares.firstIndex { $0.node === node }
        ?? {
          shares.append((node, BatchShare(of: batch)))
          return shares.count - 1
        }()
      shares[place].part.add(unit, of: batch)
    }
    for (node, part) in shares {
      node.submit(part.batch, timeout: request.timeout) { replies in
        self.answered(request, at: part.places, replies, by: node)
      }
    }
    for (unit, error) in unserved {
      self.configuration.metrics?.failed(error)
      request.settle(unit, failed: error)
    }
    self.sendReadyRounds()
  }

  func unit(_ commands: Range<Int>, of request: ClusterRequest) -> Hold.Unit {
    // Of a transaction, the first command behind MULTI tells the key; and it does more than look.
    let telling = commands.count > 1 ? commands.lowerBound + 1 : commands.lowerBound
    return Hold.Unit(
      request: request, order: request.order, commands: commands,
      key: request.batch.key(of: telling),
      isRepeatable: commands.count == 1 && request.batch.commands[telling].isRepeatable)
  }

  /// Whether commands of a slot must wait: some of them must be sent again, or are under way to a
  /// node that had the slot before.
  private func isHeld(_ slot: HashSlot) -> Bool {
    if self.holds[slot] != nil { return true }
    for transition in self.transitions {
      guard let owner = transition.topology.owner(of: slot), owner != self.topology.owner(of: slot),
        let barrier = transition.barriers[owner], !self.isPassed(barrier, at: owner)
      else { continue }
      self.hold(slot, until: barrier, at: self.nodes[owner])
      return true
    }
    return false
  }

  /// Holds a slot from now on, until `node` has answered `barrier` batches.
  func hold(_ slot: HashSlot, until barrier: UInt64, at node: ClusterNode?) {
    if let node, node.answered < barrier {
      self.holds[slot] = Hold(.draining)
      node.addBarrier(for: slot, until: barrier)
    } else {
      self.holds[slot] = Hold(.ready)
    }
  }
}
