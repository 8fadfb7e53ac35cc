import Logging
import NIOConcurrencyHelpers
import NIOCore

/// The view of a cluster that all clients of a process share: asked again when a client was
/// redirected, when a connection was lost, and from time to time.
///
/// Each question goes over a connection of its own, which is what makes a configuration endpoint
/// answer with the present state.
final class TopologyKeeper: Sendable {
  private struct Subscriber {
    weak var client: ClusterClient?
  }

  private struct State {
    var topology: ClusterTopology
    var subscribers: [ObjectIdentifier: Subscriber] = [:]
    var isAsking = false
    /// Whether another refresh was requested since the question was sent.
    var isWanted = false
    var asked = NIODeadline.now()
    var timer: Scheduled<Void>?
  }

  private let configuration: RedisConfiguration
  private let eventLoop: any EventLoop
  private let logger: Logger
  private let state: NIOLockedValueBox<State>

  init(
    _ configuration: RedisConfiguration, topology: ClusterTopology, on eventLoop: any EventLoop,
    logger: Logger
  ) {
    self.configuration = configuration
    self.eventLoop = eventLoop
    self.logger = logger
    self.state = NIOLockedValueBox(State(topology: topology))
    self.state.withLockedValue { self.askLater(.seconds(RedisLimits.topologyRefreshSeconds), &$0) }
  }

  deinit { self.state.withLockedValue { $0.timer?.cancel() } }

  var topology: ClusterTopology { self.state.withLockedValue { $0.topology } }

  /// Tells the client of changes from now on, on its event loop.
  func subscribe(_ client: ClusterClient) {
    self.state.withLockedValue { state in
      state.subscribers[ObjectIdentifier(client)] = Subscriber(client: client)
    }
    client.eventLoop.execute { client.apply(self.topology) }
  }

  func unsubscribe(_ client: ClusterClient) {
    self.state.withLockedValue { $0.subscribers[ObjectIdentifier(client)] = nil }
  }

  /// A node says that another one has a slot.
  ///
  /// - Returns: what is known now.
  func moved(_ slot: HashSlot, to address: RedisAddress) -> ClusterTopology {
    let (topology, isNew) = self.state.withLockedValue { state in
      let isNew = state.topology.move(slot, to: address)
      return (state.topology, isNew)
    }
    if isNew { self.publish() }
    if isNew || topology.owner(of: slot) != address { self.refresh() }
    return topology
  }

  /// Refreshes soon, because the view seems to be wrong.
  func refresh() {
    self.state.withLockedValue { state in
      if state.isWanted { return }
      state.isWanted = true
      if state.isAsking { return }
      let next = state.asked + .milliseconds(RedisLimits.topologyRefreshMilliseconds)
      // With jitter, since all processes learn of a failover at once.
      let jitter = Int64.random(in: 0...RedisLimits.topologyRefreshMilliseconds)
      self.askLater(max(next - .now(), .zero) + .milliseconds(jitter / 4), &state)
    }
  }

  // MARK: Private

  /// Clients read the view when they are told: of two concurrent changes, they see the later.
  private func publish() {
    let clients = self.state.withLockedValue { state in
      state.subscribers = state.subscribers.filter { $0.value.client != nil }
      return state.subscribers.values.compactMap(\.client)
    }
    for client in clients { client.eventLoop.execute { client.apply(self.topology) } }
  }

  /// Called under the lock, together with the change that causes it: of two timers the later wins.
  private func askLater(_ wait: TimeAmount, _ state: inout State) {
    state.timer?.cancel()
    state.timer = self.eventLoop.scheduleTask(in: wait) { [weak self] () -> Void in self?.ask() }
  }

  private func ask() {
    let known: [RedisAddress]? = self.state.withLockedValue { state in
      if state.isAsking { return nil }
      state.isAsking = true
      state.isWanted = false
      state.asked = .now()
      return state.topology.primaries
    }
    guard let known else { return }
    let seeds = self.configuration.url.addresses.filter { !known.contains($0) }
    // A seed at last: of a cluster that was replaced as a whole, nobody else knows.
    let nodes =
      known.shuffled().prefix(RedisLimits.nodesPerRefresh - 1) + seeds.shuffled().prefix(1)
    ClusterQuestion.ask(Array(nodes), as: self.configuration, on: self.eventLoop)
      .whenComplete { result in self.answered(result) }
  }

  private func answered(_ result: Result<ClusterTopology, any Error>) {
    let isNew = self.state.withLockedValue { state in
      state.isAsking = false
      // After a failure, whoever wants to know asks again: its connections keep failing.
      if case .failure = result { state.isWanted = false }
      let seconds = RedisLimits.topologyRefreshSeconds
      self.askLater(
        state.isWanted
          ? .milliseconds(RedisLimits.topologyRefreshMilliseconds)
          : .seconds(seconds) + .milliseconds(.random(in: 0...seconds * 250)), &state)
      guard case .success(let topology) = result else { return false }
      defer { state.topology = topology }
      return state.topology != topology
    }
    switch result {
    case .failure(let error):
      self.logger.debug("redis.cluster_unknown", metadata: ["error": "\(error)"])
    case .success(let topology) where isNew:
      self.logger.notice(
        "redis.cluster_changed",
        metadata: ["primaries": "\(topology.primaries.map(\.description).joined(separator: ","))"])
      self.publish()
    case .success:
      break
    }
  }
}

/// Asks nodes for the slots of each node, one after the other, until one answers.
enum ClusterQuestion {
  static func ask(
    _ nodes: [RedisAddress], as configuration: RedisConfiguration, on eventLoop: any EventLoop
  ) -> EventLoopFuture<ClusterTopology> {
    let promise = eventLoop.makePromise(of: ClusterTopology.self)
    eventLoop.execute {
      Self.ask(
        nodes[...], as: configuration, on: eventLoop,
        failure: .unavailable("the cluster has no nodes"), promise)
    }
    return promise.futureResult
  }

  private static func ask(
    _ nodes: ArraySlice<RedisAddress>, as configuration: RedisConfiguration,
    on eventLoop: any EventLoop, failure: RedisError, _ promise: EventLoopPromise<ClusterTopology>
  ) {
    guard let node = nodes.first else { return promise.fail(failure) }
    func next(_ error: any Error) {
      let error = error as? RedisError ?? .unavailable("\(error)")
      Self.ask(
        nodes.dropFirst(), as: configuration, on: eventLoop, failure: error, promise)
    }
    RedisConnection.open(to: node, as: configuration, on: eventLoop) { _ in }
      .assumeIsolated().whenComplete { result in
        switch result {
        case .failure(let error):
          next(error)
        case .success(let connection):
          var batch = RedisBatch()
          batch.append("CLUSTER", "SLOTS")
          let timeout = TimeAmount.milliseconds(RedisLimits.commandTimeoutMilliseconds)
          connection.value.submit(batch, timeout: timeout) { replies in
            connection.value.close(.unavailable("only a question"))
            do throws(RedisError) {
              var cursor = try replies.cursor(0)
              let topology = try ClusterTopology(from: &cursor, asked: node)
              // It was reset, or never was part of one: others know more.
              guard !topology.primaries.isEmpty else {
                throw .unavailable("\(node) knows of no node that has slots")
              }
              promise.succeed(topology)
            } catch {
              next(error)
            }
          }
        }
      }
  }
}
