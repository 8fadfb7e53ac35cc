import NIOCore
import TestSupport

@testable import Redis

/// Keeps what Redis has answered to batches that are answered in parts, command by command, until a test wants
/// it told.
///
/// Unchecked: used on the client's loop only.
final class PartwiseClient: ForwardingClient, @unchecked Sendable {
  let client: any RedisClient
  /// Numbers of commands of those batches, in their order.
  private(set) var sizes: [Int] = []
  /// What is held, by the place of the command among all of them.
  private var held: [Int: () -> Void] = [:]
  private var answered = 0

  init(_ client: any RedisClient) { self.client = client }

  var heldCount: Int { self.held.count }

  /// Tells what became of a command.
  func tell(_ index: Int) { self.held.removeValue(forKey: index)?() }

  func tellAll() {
    for index in self.held.keys.sorted() { self.tell(index) }
  }

  func submit(
    _ batch: RedisBatch, timeout: TimeAmount,
    onSettled: @escaping (Range<Int>, RedisReplies) -> Void
  ) {
    self.sizes.append(batch.count)
    self.client.submit(batch, timeout: timeout) { replies in
      for index in 0..<batch.count {
        self.held[self.answered + index] = {
          onSettled(index..<index + 1, replies.part(index..<index + 1))
        }
      }
      self.answered += batch.count
    }
  }
}
