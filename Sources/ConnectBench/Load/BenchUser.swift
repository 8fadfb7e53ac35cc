import ConnectClient
import ConnectProtocol
import NIOCore

/// A device of one of two users who write to each other. The first device writes and reads; a second one
/// only acks what it is shown.
///
/// Leaner than a ``RawSender``, as its own CPU time is taken from what it measures: it sends nothing
/// twice, does not reconnect, and its messages carry in their ids when they were due, so that
/// nothing is looked up or read from a body.
///
/// Bound to its event loop.
final class BenchUser: ConnectClientConnectionDelegate {
  private static let secondDevice = DeviceName("second")!
  private static let listID = MessageID("list")!

  private let run: BenchRun
  private let peer: UserName
  private let device: Int
  /// Conversation of the ledger that it writes.
  private let writes: Int
  private let reads: Int
  /// Whether nobody is shown what it writes.
  private let isPeerOffline: Bool
  private var connection: ConnectClientConnection?
  private var ack: Offset?
  /// The last message, while it is not said to be read.
  private var unread: Offset?
  private var isClosing = false
  private var attempts = OpeningAttempts()
  private var openAgain: (() -> Void)?

  init(
    run: BenchRun, peer: UserName, device: Int, writes: Int, reads: Int, isPeerOffline: Bool
  ) {
    self.run = run
    self.peer = peer
    self.device = device
    self.writes = writes
    self.reads = reads
    self.isPeerOffline = isPeerOffline
  }

  func open(_ endpoint: ConnectEndpoint, token: String) {
    self.openAgain = { [unowned self] in self.open(endpoint, token: token) }
    self.connection = ConnectClientConnection.open(
      to: endpoint, token: token, device: self.device == 0 ? .default : Self.secondDevice,
      on: self.run.eventLoop, delegate: self)
  }

  func send(due: UInt64) {
    let number = self.run.ledger.next(in: self.writes)
    let id = MessageID("\(number).\(due)")!
    if self.run.traits.isAnnounced(number) {
      self.connection?.signal(OutgoingSignal(to: self.peer, name: .typing))
    }
    self.connection?.send(
      id: id, to: self.peer, body: self.run.body, receipt: self.run.traits.receipts,
      copy: self.run.traits.copies)
  }

  /// Says how far the conversation is read, if it is further than when this was last called.
  func read() {
    guard let unread = self.unread else { return }
    self.unread = nil
    self.connection?.read(ClientFrame.Read(peer: self.peer, offset: unread))
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
      if self.run.traits.receipts { self.unread = message.offset }
      self.arrived(message.id)
    case .sent(let sent):
      self.ack = sent.offset
    case .accepted(let id, _):
      self.run.ledger.accepted(
        Ledger.Place(conversation: self.writes, number: Self.numbers(of: id).number))
      if self.isPeerOffline { self.run.finished(in: self.writes) }
    case .rejected(let rejected):
      self.run.rejected(rejected.code)
    case .live:
      self.run.live += 1
      if self.run.traits.lists {
        connection.ask(.conversations(limit: 20, before: nil), id: Self.listID)
      }
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
    let isOpening = self.attempts.openAgain(after: ended, on: self.run.eventLoop) {
      if !self.isClosing { self.openAgain?() }
    }
    if !isOpening { self.run.ended(ended) }
  }

  private func arrived(_ id: MessageID) {
    let (number, due) = Self.numbers(of: id)
    let now = NIODeadline.now().uptimeNanoseconds
    let arrival = self.run.ledger.shown(
      Ledger.Place(conversation: self.reads, number: number), on: self.device,
      latency: now > due ? now - due : 0)
    guard self.device == 0, arrival != .again, arrival != .unknown else { return }
    self.run.finished(in: self.reads)
  }

  /// An id is `number.due`, so that the recipient knows when the message was due.
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
