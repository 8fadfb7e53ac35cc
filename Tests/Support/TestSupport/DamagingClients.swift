import NIOCore
import SeededRandom
import Synchronization

@testable import Redis

/// Damages replies, as a proxy or an operator's hand might: at random, by a seed, while it is on.
///
/// A damaged reply is still RESP2, so that it reaches the reader of the reply; the connection
/// itself refuses anything else.
package final class ReplyDamage: Sendable {
  private struct State {
    var random: SplitMix64
    var isOn = false
    var damaged = 0
  }

  private let state: Mutex<State>
  /// Of so many batches, one is damaged.
  private let every: Int

  /// The same seed damages the same replies in the same way.
  package init(every: Int, seed: UInt64) {
    self.every = every
    self.state = Mutex(State(random: SplitMix64(seed: seed)))
  }

  /// Whether replies are damaged at present.
  package var isOn: Bool {
    get { self.state.withLock { $0.isOn } }
    set { self.state.withLock { $0.isOn = newValue } }
  }

  /// How many replies were damaged.
  package var damaged: Int { self.state.withLock { $0.damaged } }

  package func callAsFunction(_ replies: RedisReplies) -> RedisReplies {
    guard replies.count > 0 else { return replies }
    return self.state.withLock { state in
      guard state.isOn, Int.random(in: 0..<self.every, using: &state.random) == 0 else {
        return replies
      }
      var bytes: [UInt8] = []
      let chosen = Int.random(in: 0..<replies.count, using: &state.random)
      for index in 0..<replies.count {
        guard var tree = try? replies.tree(index) else { return replies }
        if index == chosen { tree.damage(using: &state.random) }
        bytes += tree.encoded
      }
      guard let damaged = try? RedisReplies(parsing: bytes, count: replies.count) else {
        return replies
      }
      state.damaged += 1
      return damaged
    }
  }
}

/// Makes clients whose replies are damaged on their way.
package struct DamagingClients: WrappingClients {
  package let clients: any RedisClientFactory
  private let damage: ReplyDamage

  /// The clients of another factory, but for that.
  package init(_ clients: any RedisClientFactory, _ damage: ReplyDamage) {
    self.clients = clients
    self.damage = damage
  }

  package func wrap(_ client: any RedisClient) -> any RedisClient {
    DamagingClient(client, self.damage)
  }
}

/// A client whose replies are damaged on their way.
package final class DamagingClient: ForwardingClient {
  package let client: any RedisClient
  private let damage: ReplyDamage

  /// Another client, but for that.
  package init(_ client: any RedisClient, _ damage: ReplyDamage) {
    self.client = client
    self.damage = damage
  }

  package func submit(
    _ batch: RedisBatch, timeout: TimeAmount, completion: @escaping (RedisReplies) -> Void
  ) {
    self.client.submit(batch, timeout: timeout) { completion(self.damage($0)) }
  }

  package func submit(
    _ batch: RedisBatch, timeout: TimeAmount,
    onSettled: @escaping (Range<Int>, RedisReplies) -> Void
  ) {
    self.client.submit(batch, timeout: timeout) { onSettled($0, self.damage($1)) }
  }
}
