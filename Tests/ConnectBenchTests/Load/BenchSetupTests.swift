import Testing

@testable import ConnectBench

@Suite("What a benchmark ran on")
struct BenchSetupTests {
  @Test("is in words: what was started, and the machine")
  func text() {
    #expect(
      BenchSetup.plain.text()
        == "2 gateways, 1 messaging, 16 partitions, Redis 7.0.15 plain, AOF no, durability accepted"
    )
    var cluster = BenchSetup.plain
    cluster.gateways = 1
    cluster.primaries = 3
    cluster.redis = "cluster"
    cluster.registry = "tls"
    #expect(cluster.text().hasPrefix("1 gateway, "))
    #expect(cluster.text().contains("Redis 7.0.15 cluster (3 primaries), a second tls, "))
    #expect(cluster.text(sizes: false).contains("Redis 7.0.15 cluster, a second tls"))
    #expect(BenchSetup(gateways: 2).text() == "2 gateways")
    #expect(BenchSetup.plain.machine.text == "Model, 2 cores, Linux 6")
  }

  @Test("has the version in INFO, and the first model in /proc/cpuinfo")
  func sources() {
    #expect(
      PrimaryCounts.version(info: "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n")
        == "7.0.15")
    #expect(
      PrimaryCounts.version(info: "redis_version:7.2.4\r\nvalkey_version:9.0.0\r\n")
        == "(Valkey 9.0.0)")
    #expect(PrimaryCounts.version(info: "") == nil)
    #expect(
      Machine.processor(cpuinfo: "processor\t: 0\nmodel name\t: AMD EPYC: 9R14\nmodel name : B\n")
        == "AMD EPYC: 9R14")
    #expect(Machine.processor(cpuinfo: "BogoMIPS : 243.75\n") == nil)
    #expect(Machine.current.cores > 0 && Machine.current.system.contains(" "))
  }
}
