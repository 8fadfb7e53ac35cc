import ConnectProtocol
import MessageBus
import NIOCore
import Redis

/// Passes signals on to the gateways of their recipients, what comes in one turn of the loop in one batch:
/// the sessions of each recipient are looked up once, and each gateway is told all in one entry.
///
/// What fails is dropped. On its loop only.
final class SignalWriter {
  private struct Queue {
    /// The signals, as gateways are told them.
    var bytes = ByteBuffer()
    var signals: [(to: UserName, range: Range<Int>)] = []
  }

  private let client: any RedisClient
  private let eventLoop: NIOIsolatedEventLoop
  private let keys: Keys
  private let metrics: GatewayMetrics
  private var queue = Queue()
  /// Number of signals that are queued, or that Redis has not taken yet.
  private(set) var unanswered = 0

  init(client: any RedisClient, keys: Keys, metrics: GatewayMetrics) {
    self.client = client
    self.eventLoop = client.eventLoop.assumeIsolated()
    self.keys = keys
    self.metrics = metrics
  }

  /// Passes a signal on at the end of this turn.
  ///
  /// - Parameters:
  ///   - at: milliseconds since 1970, by the bus's clock.
  ///   - body: one JSON value, or nothing.
  func pass(
    _ name: MessageID, from: UserName, to: UserName, at: UInt64, body: UnsafeRawBufferPointer
  ) {
    self.unanswered += 1
    self.metrics.signalsTaken.increment()
    let start = self.queue.bytes.writerIndex
    Delivery.appendSignal(
      to: to, from: from, name: name, at: at, body: body, into: &self.queue.bytes)
    self.queue.signals.append((to, start..<self.queue.bytes.writerIndex))
    guard self.queue.signals.count == 1 else { return }
    self.eventLoop.execute { self.run() }
  }

  private func run() {
    let queue = self.queue
    self.queue = Queue()
    var batch = RedisBatch()
    var sessions: [UserName: Reply<[Session]>] = [:]
    for (user, _) in queue.signals where sessions[user] == nil {
      sessions[user] = SessionRegistry.sessions(self.keys.session(user), to: &batch)
    }
    // Told by parts: a recipient whose node is slow keeps nobody else waiting.
    self.client.submitInParts(batch) { settled in
      var gateways: [UserName: Set<InstanceID>?] = [:]
      for (user, reply) in sessions where settled.contains(reply) {
        gateways[user] = .some((try? settled[reply]).map { Set($0.map(\.gateway)) })
      }
      self.tell(gateways, queue)
    }
  }

  /// - Parameter gateways: of some recipients; nil where Redis did not say.
  private func tell(_ gateways: [UserName: Set<InstanceID>?], _ queue: Queue) {
    var deliveries = DeliveryWriter(keys: self.keys)
    var count = 0
    for (user, range) in queue.signals {
      guard let known = gateways[user] else { continue }
      count += 1
      guard let gateways = known else {
        self.metrics.signalDropped(.unavailable)
        continue
      }
      if gateways.isEmpty { self.metrics.signalDropped(.offline) }
      let bytes = queue.bytes.readableBytesView[range]
      for gateway in gateways { deliveries.addSignal(bytes, for: gateway) }
    }
    guard !deliveries.isEmpty else { return self.unanswered -= count }
    var batch = RedisBatch()
    deliveries.write(to: &batch)
    // Whom it does not reach is not told: the next one comes soon, or is not needed.
    self.client.submit(batch) { [count] _ in self.unanswered -= count }
  }
}
