import ConnectClient
import ConnectProtocol
import NIOCore

/// Users who lose their connections at once, and come back.
///
/// Unchecked: touched on its event loop only.
final class StormCrowd: @unchecked Sendable {
  /// What became of the connections since the storm began.
  struct Counts: Sendable {
    var attempts = 0
    /// Attempts that were answered with a refusal, such as 503.
    var refused = 0
    /// Attempts that ended otherwise.
    var failed = 0
    /// When each was back for the first time, since the storm began.
    var comeback = Timeline()
    /// Connections that are live.
    var live = 0
    var waits = Latencies()
  }

  let eventLoop: any EventLoop
  private var users: [StormUser] = []
  /// The gateways to connect to, as behind a load balancer.
  private var endpoints: [ConnectEndpoint] = []
  private var next = 0
  private(set) var failure: String?
  private(set) var counts = Counts()
  /// Nil before the storm.
  private var start: NIODeadline?

  init(eventLoop: any EventLoop) { self.eventLoop = eventLoop }

  // MARK: What is done to it

  /// Has it connect to these from now on, in turn.
  func use(_ endpoints: [ConnectEndpoint]) { self.endpoints = endpoints }

  func open(token: String) {
    let user = StormUser(self, token: token)
    self.users.append(user)
    user.open()
  }

  /// From now on, counts what becomes of the connections.
  func begin() {
    self.start = .now()
    self.counts = Counts(live: self.counts.live)
    for user in self.users { user.isBack = false }
  }

  /// Ends all connections.
  func abort() { for user in self.users { user.abort() } }

  func close() { for user in self.users { user.close() } }

  // MARK: What its users say

  func endpoint() -> ConnectEndpoint {
    self.next += 1
    return self.endpoints[self.next % self.endpoints.count]
  }

  func attempted() { self.counts.attempts += 1 }

  func came(_ user: StormUser) {
    self.counts.live += 1
    // A connection may end again while others still come back.
    guard let start = self.start, !user.isBack else { return }
    user.isBack = true
    let nanoseconds = (NIODeadline.now() - start).nanoseconds
    self.counts.comeback.note(at: .nanoseconds(nanoseconds))
    self.counts.waits.record(nanoseconds: UInt64(max(0, nanoseconds)))
  }

  func left(_ ended: EndedConnection, wasLive: Bool) {
    if wasLive {
      self.counts.live -= 1
    } else if case .refused = ended.end {
      self.counts.refused += 1
    } else {
      self.counts.failed += 1
    }
  }

  func gaveUp(_ ended: EndedConnection) {
    if self.failure == nil { self.failure = "\(ended.end)" }
  }
}
