import BusTestSupport
import ConnectProtocol
import LocalRedis
import MessageBus
import Redis
import Testing

@testable import Messaging

@Suite("Leases in Redis")
struct LeasesTests {
  @Test("can be taken when Redis is out of memory")
  func outOfMemory() async throws {
    let server = try await LocalRedisServer.start()
    try await Bus.run(url: server.url) { bus in
      _ = try await bus.command("CONFIG", "SET", "maxmemory", "1")
      let partition = bus.keys.partitions.all[0]
      let token = LeaseToken(instance: InstanceID("heir")!)
      let holder = try await bus.client.value {
        Leases.acquire(partition, as: token, milliseconds: 60_000, bus.keys, to: &$0)
      }
      #expect(holder == token)
    }
    await server.stop()
  }
}
