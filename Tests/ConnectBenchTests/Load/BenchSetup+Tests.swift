@testable import ConnectBench

extension BenchSetup {
  /// A deployment as most benchmarks start it.
  static let plain = BenchSetup(
    gateways: 2, messaging: 1, partitions: 16, primaries: 1, redis: "plain", redisVersion: "7.0.15",
    aof: "no", durability: "accepted",
    machine: Machine(processor: "Model", cores: 2, system: "Linux 6"))
}
