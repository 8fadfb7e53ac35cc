import NIOPosix
import TestSupport
import Testing

@testable import MessageBus
@testable import Redis

@Suite("The commands that are needed")
struct CommandsNeededTests {
  @Test("are all that services have a right to, but for those of the login and of a cluster")
  func complete() {
    let names = CommandsNeeded.calls(key: "k", durability: .replicated(1)).map(\.name)
    let others = [
      "auth", "select", "ping", "cluster|slots", "asking", "memory|usage", "multi", "exec",
      // Of former releases.
      "xack",
    ]
    let rights = AccessRights.services().filter { $0.hasPrefix("+") }.map { String($0.dropFirst()) }
    #expect(Set(names + others) == Set(rights))
    #expect(names.count + others.count == rights.count)
  }

  @Test("are all there in a Redis as it should be, a cluster's node included; none is executed")
  func nothingMissing() async throws {
    for url in [try await SharedRedis.server().url, try await SharedRedis.cluster().nodes[1].url] {
      let configuration = try RedisConfiguration(url: RedisURL(parsing: url))
      let keys = Keys(prefix: "needed:", partitions: PartitionMap(count: 16))
      let missing = try await CommandsNeeded.missing(
        of: configuration, keys: keys, durability: .replicated(1),
        on: MultiThreadedEventLoopGroup.singleton.next())
      #expect(missing.isEmpty, "\(missing)")
    }
    let key = "\(Keys(prefix: "needed:", partitions: PartitionMap(count: 16)).partitionCount)"
    #expect(try await SharedRedis.server().command(["EXISTS", key]) == .integer(0))
  }

  /// A command with too few arguments would be refused for that, and its rights not be looked at.
  @Test("are asked for with as many arguments as they take")
  func arity() async throws {
    let server = try await SharedRedis.server()
    let calls = CommandsNeeded.calls(key: "connect:x", durability: .replicated(1))
    let configuration = try RedisConfiguration(url: RedisURL(parsing: server.url))
    let refusals = try await CommandCheck.refusals(
      of: calls.map(\.words), by: configuration, on: MultiThreadedEventLoopGroup.singleton.next())
    #expect(refusals.allSatisfy { $0 == nil }, "\(refusals)")
  }
}
