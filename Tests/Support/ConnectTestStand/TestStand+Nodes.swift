import LocalRedis
import MessageBus
import Redis
import TestSupport

/// Stands whose bus is a cluster of which one node is to hang.
extension TestStand {
  /// A bus of three nodes on which a hanging one does not stop the others, and a Redis of one server for
  /// the keys of users.
  package static func clusterOptions(gateways: Int = 1) -> Options {
    var options = Options(gateways: gateways)
    options.redis = .cluster
    options.registry = .plain
    options.partitions = 16
    options.redisArguments = ["--cluster-node-timeout", "60000"]
    return options
  }

  /// A name for a user, such that what goes to that user is on a node of the bus which has none of
  /// these keys; and that node.
  package func user(
    apartFrom keys: [RedisKey]
  ) async throws -> (name: String, node: LocalRedisServer) {
    guard let cluster = self.server.cluster else { throw TestFailure("the bus is not a cluster") }
    var needed: [LocalRedisServer] = []
    for key in keys { needed.append(try await cluster.primary(of: key.slot.number)) }
    for number in 0..<100 {
      let name = "user\(number)"
      let node = try await cluster.primary(of: self.incoming(name).slot.number)
      if !needed.contains(where: { $0 === node }) { return (name, node) }
    }
    throw TestFailure("\(keys) are on all nodes")
  }
}
