import ConnectClient
import ConnectProtocol
import Gateway
import NIOCore

/// A user with a full mailbox, who asks for lists and history.
///
/// Bound to the event loop of its ``Askers``.
final class Asker: ConnectClientConnectionDelegate {
  /// The most conversations, and the most entries, that one request may ask for.
  private static let conversations = 50
  private static let entries = 100
  /// Wrote nothing: as many entries are looked at as ever.
  private static let stranger = UserName("nobody")!

  private let askers: Askers
  private var connection: ConnectClientConnection?
  /// The limit in `welcome`, or the default where there is none.
  private var requestsPerSecond = GatewayLimits.requestsPerSecond
  private var pace: AskingPace?
  private var ack: Offset?

  init(_ askers: Askers) { self.askers = askers }

  func open(_ endpoint: ConnectEndpoint, token: String) {
    self.connection = ConnectClientConnection.open(
      to: endpoint, token: token, device: .default, on: self.askers.eventLoop, delegate: self)
  }

  func write(to peer: UserName, number: Int, body: ByteBuffer) {
    self.connection?.send(id: MessageID("\(number)")!, to: peer, body: body)
  }

  /// Begins to ask.
  ///
  /// - Parameter requestsPerSecond: whatever the limit in `welcome`; nil to keep to that.
  func begin(requestsPerSecond: Int?, from start: UInt64) {
    if let rate = requestsPerSecond {
      self.pace = AskingPace(requestsPerSecond: rate, from: start)
    } else {
      self.pace = AskingPace(keepingTo: self.requestsPerSecond, from: start)
    }
  }

  /// Time from one request to the next at that limit.
  var interval: Duration { .seconds(1) / self.requestsPerSecond }

  /// Asks for what is due.
  func ask(now: UInt64) {
    while let request = self.pace?.next(now: now) {
      // By its id it is known when it was made.
      let id = MessageID("\(now)")!
      switch request {
      case .conversations:
        self.connection?.ask(.conversations(limit: Self.conversations, before: nil), id: id)
      case .history:
        self.connection?.ask(
          .history(with: Self.stranger, before: nil, limit: Self.entries), id: id)
      }
    }
  }

  func close() {
    self.pace = nil
    self.connection?.close()
  }

  func received(
    _ frame: ServerFrame, payload: ByteBuffer, on connection: ConnectClientConnection
  ) {
    switch frame {
    case .welcome(let welcome):
      let limit = welcome.limits.requestsPerSecond
      if limit > 0 { self.requestsPerSecond = limit }
    case .live: self.askers.live += 1
    case .message(let message):
      self.ack = message.offset
      self.askers.filled += 1
    case .conversations(let answer): self.answered(answer.id)
    case .history(let answer): self.answered(answer.id)
    case .rejected(let rejected):
      guard self.pace != nil else { return self.askers.failed("rejected \(rejected.code)") }
      self.pace?.answered()
      self.askers.totals.refused += 1
    default: break
    }
  }

  func readCompleted(on connection: ConnectClientConnection) {
    guard let ack = self.ack else { return }
    self.ack = nil
    connection.acknowledge(ack)
  }

  func ended(_ ended: EndedConnection, _ connection: ConnectClientConnection) {
    self.connection = nil
    self.askers.failed("\(ended.end)")
  }

  private func answered(_ id: MessageID?) {
    guard let asked = id.flatMap({ UInt64($0.text) }) else { return }
    self.pace?.answered()
    let now = NIODeadline.now().uptimeNanoseconds
    self.askers.totals.answered(latency: now > asked ? now - asked : 0)
  }
}
