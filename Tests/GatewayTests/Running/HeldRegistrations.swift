import NIOConcurrencyHelpers
import NIOCore
import TestSupport

@testable import Redis

/// Keeps the answers of Redis to registrations from a gateway, for as long as a test wants, or has them look as if
/// they came from several nodes.
final class HeldRegistrations: Sendable {
  private struct State {
    var isHolding = false
    var isDividing = false
    var held: [(loop: any EventLoop, handOn: @Sendable () -> Void)] = []
  }

  private let state = NIOLockedValueBox(State())

  /// How many are held.
  var held: Int { self.state.withLockedValue { $0.held.count } }

  /// From now on.
  func hold() { self.state.withLockedValue { $0.isHolding = true } }

  /// From now on they are not of one node, as where a slot has moved.
  func divide() { self.state.withLockedValue { $0.isDividing = true } }

  fileprivate var isDividing: Bool { self.state.withLockedValue { $0.isDividing } }

  /// Hands on what is held, and all that comes.
  func handOn() {
    let held = self.state.withLockedValue { state in
      defer { state = State() }
      return state.held
    }
    for (loop, handOn) in held { loop.execute(handOn) }
  }

  fileprivate func arrived(on loop: any EventLoop, _ handOn: @escaping () -> Void) {
    // Back on the loop that it comes from.
    let bound = NIOLoopBound(handOn, eventLoop: loop)
    let isHeld = self.state.withLockedValue { state in
      if state.isHolding { state.held.append((loop, { bound.value() })) }
      return state.isHolding
    }
    if !isHeld { handOn() }
  }
}

/// Clients whose registrations are held.
struct RegistrationHoldingClients: WrappingClients {
  let clients: any RedisClientFactory
  let registrations: HeldRegistrations

  func wrap(_ client: any RedisClient) -> any RedisClient {
    RegistrationHoldingClient(client, self.registrations)
  }
}

private final class RegistrationHoldingClient: ForwardingClient {
  let client: any RedisClient
  private let registrations: HeldRegistrations

  init(_ client: any RedisClient, _ registrations: HeldRegistrations) {
    self.client = client
    self.registrations = registrations
  }

  func submit(
    _ batch: RedisBatch, timeout: TimeAmount, completion: @escaping (RedisReplies) -> Void
  ) {
    // A check of sessions has it, too, and is answered in parts.
    guard String(buffer: batch.bytes).contains("HSETNX") else {
      return self.client.submit(batch, timeout: timeout, completion: completion)
    }
    let loop = self.eventLoop
    self.client.submit(batch, timeout: timeout) { [registrations] replies in
      let answers = (0..<replies.count).map { replies.answer($0) }
      let replies = registrations.isDividing ? RedisReplies(answers) : replies
      registrations.arrived(on: loop) { completion(replies) }
    }
  }
}
