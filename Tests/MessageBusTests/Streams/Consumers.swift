import BusTestSupport
import Logging
import Redis
import TestSupport

@testable import MessageBus

/// Helpers for tests of consumers, on the first partition.
extension Bus {
  func makeConsumer(
    _ name: String = "one", fence: GroupConsumer.Fence? = nil, logger: Logger = .silent
  ) async throws -> GroupConsumer {
    GroupConsumer(
      stream: self.stream, family: "messaging", instance: InstanceID(name)!,
      reader: try await self.makeClient(), client: self.client, fence: fence, logger: logger)
  }

  var stream: RedisKey { self.keys.incoming(self.keys.partitions.all[0]) }

  func groups() async throws -> [StreamGroup] {
    try await self.client.value { $0.groups(of: self.stream) } ?? []
  }

  /// Whether these sessions' groups are on the stream, and no others.
  func hasGroups(of consumers: GroupConsumer...) async throws -> Bool {
    let names = consumers.flatMap { [$0.groups.reading, $0.groups.finished] }
    return try await Set(self.groups().map(\.name)) == Set(names)
  }

  /// Entries that the only session has read and not finished, as Redis knows it.
  func pending() async throws -> Int? {
    let groups = try await self.groups()
    guard groups.count == 2, let reading = groups.first(where: { !$0.isMark(among: groups) }),
      let left = reading.mark(among: groups)?.lag, let unread = reading.lag
    else { return nil }
    return left - unread
  }

  func fill(_ numbers: Range<Int>) async throws {
    for number in numbers { try await self.add("\(number)", to: self.stream) }
  }

  func readOnce(_ consumer: GroupConsumer) async throws(RedisError) -> [StreamEntry] {
    try await consumer.read(blockMilliseconds: 20_000)
  }

  func next(_ consumer: GroupConsumer) async -> GroupConsumer.Event { await consumer.next() }

  func stop(_ consumer: GroupConsumer) async { await consumer.stop() }

  /// Works until the consumer ends.
  func consume(_ consumer: GroupConsumer, _ seen: Seen) async -> GroupConsumer.End {
    while true {
      switch await consumer.next() {
      case .began: break
      case .entries(let entries):
        do throws(RedisError) {
          try await seen.handle(entries.map { $0.text ?? "nil" })
          await consumer.finish(.later)
        } catch {
          consumer.failed(error)
        }
      case .ended(let end): return end
      }
    }
  }
}

/// The entries that a worker has handled.
actor Seen {
  private(set) var texts: [String] = []
  private var failures: Int

  init(failures: Int = 0) { self.failures = failures }

  func handle(_ entries: [String]) throws(RedisError) {
    self.texts += entries
    guard self.failures == 0 else {
      self.failures -= 1
      throw .unanswered("the test says so")
    }
  }
}

extension GroupConsumer.Event {
  var session: GroupSession? { if case .began(let session) = self { session } else { nil } }
  var entries: [StreamEntry]? { if case .entries(let entries) = self { entries } else { nil } }
  var end: GroupConsumer.End? { if case .ended(let end) = self { end } else { nil } }
}

/// The entries that ``Bus/fill(_:)`` adds.
func texts(_ numbers: Range<Int>) -> [String] { numbers.map { "\($0)" } }
