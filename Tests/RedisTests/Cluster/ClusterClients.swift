import LocalCluster
import LocalRedis
import NIOCore
import NIOPosix
import TLS

@testable import Redis

/// Runs a test with what makes clients, as services have it.
func withFactory<Result>(
  _ url: String, mode: RedisMode = .auto, passwordFile: String? = nil,
  tls: TLSConfiguration = TLSConfiguration(),
  _ body: (any RedisClientFactory) async throws -> Result
) async throws -> Result {
  let configuration = try RedisConfiguration(
    url: RedisURL(parsing: url), mode: mode, passwordFile: passwordFile, tls: tls)
  return try await body(
    try await RedisClients.connect(
      configuration, on: MultiThreadedEventLoopGroup.singleton.next(), logger: .silent))
}

extension RedisClientFactory {
  /// Runs a test with a client, and closes it.
  func withClient<Result>(
    _ body: (any RedisClient) async throws -> Result
  ) async throws -> Result {
    try await self.makeClient(on: MultiThreadedEventLoopGroup.singleton.next())
      .closing(after: body)
  }
}

/// Runs a test with a client for a cluster, and closes it.
func withClusterClient<Result>(
  _ cluster: LocalRedisCluster, _ body: (any RedisClient) async throws -> Result
) async throws -> Result {
  try await withFactory(cluster.url) { try await $0.withClient(body) }
}

extension RedisClient {
  /// The replies to one command that touches a key.
  func execute(key: RedisKey, timeout: TimeAmount = .seconds(60), _ words: String...) async
    -> RedisReplies
  {
    var batch = RedisBatch()
    batch.append(key: key, words: words)
    return await self.execute(batch, timeout: timeout)
  }
}

extension ClusterClient {
  /// The nodes to which it has connections, or wants them.
  func addresses() async throws -> Set<RedisAddress> {
    try await self.eventLoop.submit { Set(self.nodes.keys) }.get()
  }

  /// The ports of these.
  func ports() async throws -> Set<Int> { Set(try await self.addresses().map(\.port)) }

  /// Whether it has forgotten all that it kept of changes of the cluster.
  func isSettled() async throws -> Bool {
    try await self.eventLoop.submit {
      self.holds.isEmpty && self.transitions.isEmpty
        && self.nodes.values.allSatisfy { $0.barriers.isEmpty }
    }.get()
  }
}

extension LocalRedisServer {
  /// How many connections clients have to it: without the one that asks, and those of other nodes.
  func clientCount() async throws -> Int {
    let list = try await self.command("CLIENT", "LIST").string ?? ""
    return list.split(separator: "\n").count { line in
      !line.contains(" cmd=client|list ") && !line.contains(" flags=S ")
        && !line.contains(" flags=M ") && !line.contains(" cmd=restore-asking ")
    }
  }
}

extension LocalRedisCluster {
  /// A slot of the node, other than those that `except` names.
  func slot(of node: LocalRedisServer, except: Set<Int> = []) async throws -> HashSlot {
    for number in stride(from: 0, to: HashSlot.count, by: 97) where !except.contains(number) {
      if try await self.primary(of: number) === node { return HashSlot(number: number) }
    }
    throw NoSuchSlot()
  }

  struct NoSuchSlot: Error {}
}
