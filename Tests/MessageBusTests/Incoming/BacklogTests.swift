import BusTestSupport
import ConnectProtocol
import Testing

@testable import MessageBus

@Suite("The backlog", .timeLimit(.minutes(20)))
struct BacklogTests {
  @Test("is full partition by partition, from the limit on, and only until it is looked at again")
  func limit() async throws {
    try await Bus.run(partitions: 2) { bus in
      let backlog = Backlog(keys: bus.keys, limit: 3)
      let users = ["a", "b", "c", "d", "e", "f"].map { UserName($0)! }
      let partition = bus.keys.partitions.all[1]
      let stream = bus.keys.incoming(partition)
      let inside = users.filter { bus.keys.partitions.partition(for: $0) == partition }
      let outside = users.filter { bus.keys.partitions.partition(for: $0) != partition }
      try #require(!inside.isEmpty && !outside.isEmpty)

      for _ in 0..<2 { try await bus.add("x", to: stream) }
      #expect(try await backlog.look(with: bus.client).full == 0)
      #expect(users.allSatisfy { !backlog.isFull(for: $0) })
      try await bus.add("x", to: stream)
      #expect(try await backlog.look(with: bus.client).full == 1)
      #expect(inside.allSatisfy { backlog.isFull(for: $0) })
      #expect(outside.allSatisfy { !backlog.isFull(for: $0) })
      _ = try await bus.command("DEL", "\(stream)")
      #expect(try await backlog.look(with: bus.client).full == 0)
      #expect(users.allSatisfy { !backlog.isFull(for: $0) })
    }
  }

  @Test("The durability that is asked for is read as it is written")
  func durability() {
    #expect(Durability("accepted") == .accepted)
    for replicas in 1...Durability.maximumReplicas {
      #expect(Durability("replicated:\(replicas)") == .replicated(replicas))
      #expect("\(Durability.replicated(replicas))" == "replicated:\(replicas)")
    }
    for text in [
      "", "Accepted", "replicated", "replicated:", "replicated:0", "replicated:6", "replicated:01",
      "replicated:+1", "replicated: 1", "accepted:1",
    ] {
      #expect(Durability(text) == nil, "\(text)")
    }
  }
}
