import Foundation
import NIOConcurrencyHelpers
import Testing

/// Conversations of the running client against a gateway that fails in every way, by a seed.
///
/// `CONNECT_TEST_SEEDS` says how many seeds, and `CONNECT_TEST_SEED` which is the first.
@Suite("Conversations through a gateway that fails in every way")
struct FaultyGatewayTests {
  private static let seeds = 50
  /// How many plays are under way at one time: most of a play is waiting.
  private static let width = 25

  private static func number(_ name: String) -> Int? {
    ProcessInfo.processInfo.environment[name].flatMap { Int($0) }
  }

  @Test("have each message once and in order on all devices, whatever breaks")
  func seeds() async throws {
    let first = Self.number("CONNECT_TEST_SEED") ?? 1
    var seeds = (first..<(first + (Self.number("CONNECT_TEST_SEEDS") ?? Self.seeds))).makeIterator()
    await withTaskGroup(of: Void.self) { group in
      func start() {
        guard let seed = seeds.next() else { return }
        group.addTask {
          do {
            try await FaultyPlay.run(seed: UInt64(seed))
          } catch {
            Issue.record("seed \(seed): \(error)")
          }
        }
      }
      for _ in 0..<Self.width { start() }
      while await group.next() != nil { start() }
    }
  }
}
