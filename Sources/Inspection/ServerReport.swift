import MessageBus
import Redis

/// Redis's report on itself, as far as an operator of Connect needs it. In a cluster, one node's.
package struct ServerReport: Sendable, Encodable {
  /// `redis` or `valkey`.
  package let name: String
  package let version: String
  /// Whether it is a node of a cluster: then everything else here is about that node alone.
  package let isClusterNode: Bool
  /// Time since the server's start.
  package let uptimeSeconds: Int?
  package let usedBytes: Int?
  /// The limit of memory; 0 for none.
  package let maximumBytes: Int?
  /// Policy at that limit: any but `noeviction` loses mailboxes.
  package let evictionPolicy: String?
  /// Whether writes go to the append-only file, on which `accepted` relies; nil if it is not known.
  package let hasAppendOnlyFile: Bool?
  /// Connections, including those of services.
  package let clients: Int?

  init(_ fields: [Substring: Substring]) {
    func text(_ name: Substring) -> String? { fields[name].map { PrintableText.of(String($0)) } }
    func number(_ name: Substring) -> Int? { fields[name].flatMap { Int($0) } }
    self.name = text("server_name") ?? (fields["valkey_version"] == nil ? "redis" : "valkey")
    self.version = text("valkey_version") ?? text("redis_version") ?? "unknown"
    self.isClusterNode = (text("server_mode") ?? text("redis_mode")) == "cluster"
    self.uptimeSeconds = number("uptime_in_seconds")
    self.usedBytes = number("used_memory")
    self.maximumBytes = number("maxmemory")
    self.evictionPolicy = text("maxmemory_policy")
    self.hasAppendOnlyFile = number("aof_enabled").map { $0 == 1 }
    self.clients = number("connected_clients")
  }
}

package struct OverviewReport: Sendable, Encodable {
  /// The only Redis, or that of the bus.
  package let server: ServerReport
  /// The Redis for the users' keys, if there is a second one.
  package let registry: ServerReport?
  package let partitions: PartitionsReport
  package let gateways: GatewaysReport
  package let deadLetters: Int
}

extension Inspector {
  /// Redis's report about itself.
  ///
  /// - Parameter key: one of that Redis, if there are two; nil for that of the bus.
  package func server(of key: RedisKey? = nil) async throws(RedisError) -> ServerReport {
    var batch = RedisBatch()
    let sections = ["server", "clients", "memory", "persistence"]
    let places = sections.map { section in
      batch.append(key: key, "INFO", section, isRepeatable: true).string()
    }
    let replies = await self.client.execute(batch)
    var fields: [Substring: Substring] = [:]
    for place in places {
      for line in (try replies[place] ?? "").split(whereSeparator: \.isNewline) {
        guard let colon = line.firstIndex(of: ":") else { continue }
        fields[line[..<colon]] = line[line.index(after: colon)...]
      }
    }
    return ServerReport(fields)
  }

  package func overview() async throws(RedisError) -> OverviewReport {
    OverviewReport(
      server: try await self.server(),
      registry: self.keys.hasRegistryRedis
        ? try await self.server(of: self.keys.registry) : nil,
      partitions: try await self.partitions(),
      gateways: try await self.gateways(), deadLetters: try await self.deadLetterCount())
  }
}
