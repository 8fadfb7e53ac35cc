import BusTestSupport
import Redis

@testable import MessageBus

/// What tests of consumers do on the first partition.
extension Bus {
  func makeConsumer(
    _ name: String = "one", fence: GroupConsumer.Fence? = nil
  ) async throws -> GroupConsumer {
    GroupConsumer(
      stream: self.stream, family: "messaging", instance: InstanceID(name)!,
      reader: try await self.makeClient(), client: self.client, fence: fence)
  }

  var stream: RedisKey { self.keys.incoming(self.keys.partitions.all[0]) }

  func groups() async throws -> [StreamGroup] {
    try await self.client.value { $0.groups(of: self.stream) } ?? []
  }

  func fill(_ numbers: Range<Int>) async throws {
    for number in numbers { try await self.add("\(number)", to: self.stream) }
  }

  func readOnce(_ consumer: GroupConsumer) async throws(RedisError) -> [StreamEntry] {
    try await consumer.read(blockMilliseconds: 20_000)
  }

  func stop(_ consumer: GroupConsumer) async { await consumer.stop() }
}

/// The entries that ``Bus/fill(_:)`` adds.
func texts(_ numbers: Range<Int>) -> [String] { numbers.map { "\($0)" } }
