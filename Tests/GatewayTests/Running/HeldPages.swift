import NIOConcurrencyHelpers
import NIOCore
import TestSupport

@testable import Redis

/// Holds back the pages of mailboxes that a gateway reads for lists and history, and counts them.
final class HeldPages: Sendable {
  private struct State {
    var isHolding = false
    /// Whose pages are held; nil for everybody's.
    var user: String?
    /// Pages that were asked for and not handed on, by event loop.
    var underWay: [ObjectIdentifier: Int] = [:]
    var held: [(loop: any EventLoop, handOn: @Sendable () -> Void)] = []
    var asked = 0
    var mostUnderWay = 0
  }

  private let state = NIOLockedValueBox(State())

  /// From now on.
  ///
  /// - Parameter user: whose; nil for everybody's.
  func hold(of user: String? = nil) {
    self.state.withLockedValue {
      $0.isHolding = true
      $0.user = user
    }
  }

  /// How many were asked for so far.
  var asked: Int { self.state.withLockedValue { $0.asked } }

  /// How many are held.
  var held: Int { self.state.withLockedValue { $0.held.count } }

  /// The most that one event loop has had under way.
  var mostUnderWay: Int { self.state.withLockedValue { $0.mostUnderWay } }

  /// Hands on what is held, and with `andAll` all that comes.
  func handOn(andAll: Bool = false) {
    let held = self.state.withLockedValue { state in
      if andAll { state.isHolding = false }
      defer { state.held = [] }
      return state.held
    }
    for (loop, handOn) in held { loop.execute(handOn) }
  }

  fileprivate func asks(for pages: Int, on loop: any EventLoop) {
    self.state.withLockedValue {
      $0.asked += pages
      let count = $0.underWay[ObjectIdentifier(loop), default: 0] + pages
      $0.underWay[ObjectIdentifier(loop)] = count
      $0.mostUnderWay = max($0.mostUnderWay, count)
    }
  }

  fileprivate func arrived(
    _ pages: Int, of commands: String, on loop: any EventLoop, _ handOn: @escaping () -> Void
  ) {
    // Back on the loop that it comes from.
    let bound = NIOLoopBound(handOn, eventLoop: loop)
    let isHeld = self.state.withLockedValue { state in
      guard state.isHolding, state.user.map(commands.contains) ?? true else {
        state.underWay[ObjectIdentifier(loop), default: 0] -= pages
        return false
      }
      state.held.append(
        (
          loop,
          {
            self.state.withLockedValue { $0.underWay[ObjectIdentifier(loop), default: 0] -= pages }
            bound.value()
          }
        ))
      return true
    }
    if !isHeld { handOn() }
  }
}

/// Clients whose pages are held.
struct HoldingClients: WrappingClients {
  let clients: any RedisClientFactory
  private let pages: HeldPages

  init(_ clients: any RedisClientFactory, _ pages: HeldPages) {
    self.clients = clients
    self.pages = pages
  }

  func wrap(_ client: any RedisClient) -> any RedisClient { HoldingClient(client, self.pages) }
}

private final class HoldingClient: ForwardingClient {
  let client: any RedisClient
  private let pages: HeldPages

  init(_ client: any RedisClient, _ pages: HeldPages) {
    self.client = client
    self.pages = pages
  }

  func submit(
    _ batch: RedisBatch, timeout: TimeAmount,
    onSettled: @escaping (Range<Int>, RedisReplies) -> Void
  ) {
    let text = String(buffer: batch.bytes)
    let count = text.split(separator: "XREVRANGE").count - 1
    // A check of sessions, which has no transaction, looks for the newest entry of a mailbox, too.
    guard count > 0, text.contains("MULTI") else {
      return self.client.submit(batch, timeout: timeout, onSettled: onSettled)
    }
    let loop = self.eventLoop
    // All are transactions of as many commands.
    let commands = batch.count / count
    self.pages.asks(for: count, on: loop)
    self.client.submit(batch, timeout: timeout) { [pages] part, replies in
      pages.arrived(part.count / commands, of: text, on: loop) { onSettled(part, replies) }
    }
  }
}
