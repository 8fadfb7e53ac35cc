import LocalRedis
import Synchronization

/// A private Redis cluster for development and tests: several ``LocalRedisServer``s.
///
/// All listen on 127.0.0.1 only and end when this process ends, however that happens. A node is
/// killed, paused and restarted by itself; what concerns several nodes is done here. Functions that
/// change the cluster are to be called one after the other, not at once. They return only when every
/// node that runs (see ``LocalRedisServer/isRunning``) knows of the change.
///
/// With TLS, each node speaks it on a port beside its plain one, and CLUSTER SLOTS, MOVED and ASK
/// name the ports that speak TLS to clients that use TLS, and the plain ones to others (Redis 7.0).
package final class LocalRedisCluster: Sendable {
  let options: Options
  private let state: Mutex<State>

  /// A node, and its id in the cluster, which survives restarts.
  struct Member: Sendable {
    let server: LocalRedisServer
    let id: String
  }

  private struct State {
    var members: [Member]
    /// Number of nodes ever added.
    var count: Int
    /// Time at which each node last stood for election, by its id.
    var elections: [String: ContinuousClock.Instant] = [:]
  }

  init(options: Options, members: [Member]) {
    self.options = options
    state = Mutex(State(members: members, count: members.count))
  }

  /// All nodes: first the initial primaries, in order, and last those that were added later.
  package var nodes: [LocalRedisServer] { members.map(\.server) }

  /// The plain addresses of all nodes: `redis://127.0.0.1:PORT,127.0.0.1:PORT,…`.
  package var url: String {
    "redis://" + nodes.map { "127.0.0.1:\($0.port)" }.joined(separator: ",")
  }

  /// The TLS addresses of all nodes: `rediss://localhost:PORT,localhost:PORT,…`.
  package var tlsURL: String? {
    guard options.tls != nil else { return nil }
    return "rediss://"
      + nodes.compactMap(\.tlsPort).map { "localhost:\($0)" }
      .joined(separator: ",")
  }

  var members: [Member] { state.withLock(\.members) }

  func append(_ member: Member) {
    state.withLock { $0.members.append(member) }
  }

  func drop(_ member: Member) {
    state.withLock { $0.members.removeAll { $0.id == member.id } }
  }

  /// When a node may stand for election again, if it has stood. One that is asked to earlier lets
  /// that pass, and fails: `auth_retry_time` in Redis's `clusterHandleSlaveFailover`.
  func nextElection(of candidate: Member) -> ContinuousClock.Instant? {
    let pause = max(4 * options.nodeTimeoutMilliseconds, 4_000)
    // A little more, for clocks that differ.
    return state.withLock { $0.elections[candidate.id]?.advanced(by: .milliseconds(pause + 50)) }
  }

  func noteElection(of candidate: Member) {
    state.withLock { $0.elections[candidate.id] = .now }
  }

  /// The number of the next node, from 0.
  func nextNumber() -> Int {
    state.withLock { state in
      defer { state.count += 1 }
      return state.count
    }
  }
}

extension LocalRedisCluster {
  /// The nodes that own slots, in the order of these, as the cluster says now.
  ///
  /// A primary that has just ended is still one, until a replica has taken its place.
  package func primaries() async throws(LocalRedisError) -> [LocalRedisServer] {
    let view = try await latestView()
    return view.nodes.values
      .filter { !$0.slots.isEmpty }
      .sorted { $0.slots[0].lowerBound < $1.slots[0].lowerBound }
      .compactMap { server(id: $0.id) }
  }

  /// The replicas of a primary by the cluster's present view, whether they run or not.
  package func replicas(
    of primary: LocalRedisServer
  ) async throws(LocalRedisError) -> [LocalRedisServer] {
    let id = try member(primary).id
    let view = try await latestView()
    return members.filter { view.nodes[$0.id]?.primary == id }.map(\.server)
  }

  /// The owner of a slot by the cluster's present view.
  package func primary(of slot: Int) async throws(LocalRedisError) -> LocalRedisServer {
    let view = try await latestView()
    guard let owner = view.owner(of: slot), let server = server(id: owner.id) else {
      throw .impossible(reason: "no node of the cluster owns slot \(slot)")
    }
    return server
  }

  func server(id: String) -> LocalRedisServer? {
    members.first { $0.id == id }?.server
  }

  func member(_ server: LocalRedisServer) throws(LocalRedisError) -> Member {
    guard let member = members.first(where: { $0.server === server }) else {
      throw .impossible(reason: "the server on port \(server.port) is not a node of this cluster")
    }
    return member
  }

  var running: [Member] { members.filter(\.server.isRunning) }

  /// The view of the node that has seen the latest change: one that has just been restarted may be
  /// behind for a moment. One that does not answer may just have ended.
  func latestView() async throws(LocalRedisError) -> ClusterView {
    var latest: ClusterView?
    var failure = LocalRedisError.impossible(reason: "no node of the cluster runs")
    for member in running {
      do throws(LocalRedisError) {
        let view = try await member.view()
        if view.highestEpoch > latest?.highestEpoch ?? -1 { latest = view }
      } catch {
        failure = error
      }
    }
    guard let latest else { throw failure }
    return latest
  }
}

extension LocalRedisCluster.Member {
  /// The port under which the other nodes know this one.
  var port: Int { server.tlsPort ?? server.port }

  func view() async throws(LocalRedisError) -> ClusterView {
    ClusterView(parsing: try await server.command("CLUSTER", "NODES").string ?? "")
  }
}
