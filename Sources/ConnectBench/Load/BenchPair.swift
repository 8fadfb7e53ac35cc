import ConnectClient
import ConnectProtocol
import Histogram
import NIOCore

/// What was counted.
struct BenchCounts {
  var sent = 0
  var accepted = 0
  var rejected = 0
  var delivered = 0
  var repeated = 0
  var reordered = 0
  var disconnected = 0
  /// From the time a message was due to the time it arrived, in microseconds.
  var latency = Histogram<UInt64>(highestTrackableValue: 600_000_000)

  mutating func add(_ other: BenchCounts) {
    self.sent += other.sent
    self.accepted += other.accepted
    self.rejected += other.rejected
    self.delivered += other.delivered
    self.repeated += other.repeated
    self.reordered += other.reordered
    self.disconnected += other.disconnected
    self.latency.add(other.latency)
  }
}

/// One direction of a conversation: what was accepted, what arrived, how often, and in which order.
struct BenchDirection {
  private struct Marks: OptionSet {
    let rawValue: UInt8
    static let accepted = Marks(rawValue: 1)
    static let delivered = Marks(rawValue: 2)
  }

  private var messages: [Marks] = []
  private var highest = -1

  /// The number of the next message.
  mutating func next() -> Int {
    self.messages.append([])
    return self.messages.count - 1
  }

  mutating func accepted(_ number: Int) {
    if self.messages.indices.contains(number) { self.messages[number].insert(.accepted) }
  }

  enum Arrival { case first, late, again }

  mutating func arrived(_ number: Int) -> Arrival {
    guard self.messages.indices.contains(number) else { return .again }
    guard self.messages[number].insert(.delivered).inserted else { return .again }
    guard number > self.highest else { return .late }
    self.highest = number
    return .first
  }

  /// Messages that were accepted and did not arrive.
  var lost: Int { self.messages.count { $0 == .accepted } }
}

/// Two users who write to each other, through two gateways where there are two.
///
/// Bound to its event loop.
final class BenchPair {
  private let run: BenchRun
  private var users: [BenchUser] = []

  init(run: BenchRun, names: [UserName]) {
    self.run = run
    self.users = names.enumerated().map { index, name in
      BenchUser(run: run, name: name, peer: names[1 - index])
    }
    self.users[0].other = self.users[1]
    self.users[1].other = self.users[0]
  }

  func open(endpoints: [ConnectEndpoint], tokens: [String]) {
    for (index, user) in self.users.enumerated() {
      user.open(endpoints[index % endpoints.count], token: tokens[index])
    }
  }

  /// Sends a message that is due at `due`, from one of the two.
  func send(from index: Int, due: NIODeadline) { self.users[index].send(due: due) }

  func close() { self.users.forEach { $0.close() } }

  var lost: Int { self.users.reduce(0) { $0 + $1.direction.lost } }
}

/// One user with one connection.
final class BenchUser: ConnectClientConnectionDelegate {
  /// A gateway refuses connections (503) until each of its event loops has reached Redis, which may
  /// come after it listens.
  private static let openAttempts = 50
  private static let openAgainMilliseconds: Int64 = 100

  private let run: BenchRun
  private let name: UserName
  private let peer: UserName
  unowned var other: BenchUser!
  /// What this user sends.
  var direction = BenchDirection()
  private var connection: ConnectClientConnection?
  private var ack: Offset?
  private var isClosing = false
  private var attempts = 0
  private var openAgain: (() -> Void)?

  init(run: BenchRun, name: UserName, peer: UserName) {
    self.run = run
    self.name = name
    self.peer = peer
  }

  func open(_ endpoint: ConnectEndpoint, token: String) {
    self.attempts += 1
    self.openAgain = { [unowned self] in self.open(endpoint, token: token) }
    self.connection = ConnectClientConnection.open(
      to: endpoint, token: token, on: self.run.eventLoop, delegate: self)
  }

  func send(due: NIODeadline) {
    let number = self.direction.next()
    let id = MessageID("\(number).\(due.uptimeNanoseconds)")!
    self.run.counts.sent += 1
    self.connection?.send(id: id, to: self.peer, body: self.run.body)
  }

  func close() {
    self.isClosing = true
    self.connection?.close()
  }

  func received(
    _ frame: ServerFrame, payload: ByteBuffer, on connection: ConnectClientConnection
  ) {
    switch frame {
    case .message(let message):
      self.ack = message.offset
      self.arrived(message.id)
    case .accepted(let id, _):
      self.run.counts.accepted += 1
      self.direction.accepted(Self.numbers(of: id).number)
    case .rejected:
      self.run.counts.rejected += 1
    case .live:
      self.run.live += 1
    default:
      break
    }
  }

  func readCompleted(on connection: ConnectClientConnection) {
    guard let ack = self.ack else { return }
    self.ack = nil
    connection.acknowledge(ack)
  }

  func ended(_ ended: EndedConnection, _ connection: ConnectClientConnection) {
    self.connection = nil
    if self.isClosing { return }
    if case .refused(let refusal) = ended.end, refusal.status == 503,
      self.attempts < Self.openAttempts
    {
      self.run.eventLoop.assumeIsolated().scheduleTask(
        in: .milliseconds(Self.openAgainMilliseconds)
      ) {
        if !self.isClosing { self.openAgain?() }
      }
      return
    }
    self.run.ended(ended)
  }

  private func arrived(_ id: MessageID) {
    let (number, due) = Self.numbers(of: id)
    switch self.other.direction.arrived(number) {
    case .first: break
    case .late: self.run.counts.reordered += 1
    case .again:
      self.run.counts.repeated += 1
      return
    }
    self.run.counts.delivered += 1
    let now = NIODeadline.now().uptimeNanoseconds
    self.run.counts.latency.record((now > due ? now - due : 0) / 1_000)
  }

  /// An id is `number.due`, so that whoever receives the message knows when it was due.
  private static func numbers(of id: MessageID) -> (number: Int, due: UInt64) {
    var parts: [UInt64] = [0, 0]
    var index = 0
    for byte in id.text.utf8 {
      if byte == UInt8(ascii: ".") {
        index = 1
      } else {
        parts[index] = parts[index] * 10 + UInt64(byte - UInt8(ascii: "0"))
      }
    }
    return (Int(parts[0]), parts[1])
  }
}
