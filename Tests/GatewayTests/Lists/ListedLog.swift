import BusTestSupport
import ConnectProtocol
import MessageBus
import NIOCore
import SeededRandom
import TestSupport

@testable import Gateway

/// A mailbox and positions as Redis has them, which machines read page by page.
struct ListedLog {
  static let owner = UserName("me")!

  /// Oldest first.
  var entries: [Mailbox.Entry] = []
  var removed = Offset.zero
  var table = Positions.Table()
  private(set) var reads: [LogLook.Read] = []
  /// Entries that the last request looked at.
  private(set) var examined = 0
  private var last = Offset.zero

  init() {}

  /// Adds an entry at `number` and returns its offset.
  @discardableResult
  mutating func add(_ draft: Envelope.Draft, at number: UInt64? = nil) -> Offset {
    let place = offset(number ?? self.last.milliseconds + 1)
    self.last = place
    self.entries.append(Mailbox.Entry(offset: place, envelope: draft.envelope))
    return place
  }

  @discardableResult
  mutating func add(from peer: String, quiet: Bool = false, body: String = "1") -> Offset {
    self.add(Self.message(from: peer, quiet: quiet, body: body))
  }

  @discardableResult
  mutating func add(to peer: String, quiet: Bool = false) -> Offset {
    self.add(Self.sent(to: peer, quiet: quiet))
  }

  static func message(from peer: String, quiet: Bool = false, body: String = "1") -> Envelope.Draft
  {
    .message(
      from: UserName(peer)!, to: Self.owner, id: MessageID("m")!, flags: quiet ? [.quiet] : [],
      body: Self.bytes(body))
  }

  static func sent(to peer: String, quiet: Bool = false, body: String = "1") -> Envelope.Draft {
    .sent(
      by: Self.owner, to: UserName(peer)!, id: MessageID("s")!, flags: quiet ? [.quiet] : [],
      peerOffset: offset(3), at: 7, body: Self.bytes(body))
  }

  static func failed(to peer: String) -> Envelope.Draft {
    .failed(
      recipient: UserName(peer)!, to: Self.owner, id: MessageID("s")!,
      code: Self.bytes("mailbox_full"))
  }

  /// Bodies live as long as the process: drafts only point at them.
  private static func bytes(_ text: String) -> UnsafeRawBufferPointer {
    let raw = UnsafeMutableRawBufferPointer.allocate(byteCount: text.utf8.count, alignment: 1)
    raw.copyBytes(from: text.utf8)
    return UnsafeRawBufferPointer(raw)
  }

  mutating func setRow(
    _ peer: String, mine: Offset = .zero, delivered: Offset = .zero, stamp: UInt64
  ) {
    self.table.rows.append(
      (UserName(peer)!, Positions.Row(delivered: delivered, read: .zero, mine: mine, stamp: stamp)))
  }

  // MARK: What Redis does

  private mutating func reply(to read: LogLook.Read) -> LogLook.Reply {
    self.reads.append(read)
    var reply = LogLook.Reply(removed: self.removed, table: read.hasTable ? self.table : nil)
    guard let page = read.page else { return reply }
    var end = self.entries.count
    if let below = page.below {
      while end > 0, self.entries[end - 1].offset >= below { end -= 1 }
    }
    reply.entries = Array(self.entries[..<end].suffix(page.maximum).reversed())
    self.examined += reply.entries.count
    return reply
  }

  mutating func removeOldest(_ count: Int) {
    guard count > 0 else { return }
    self.removed = self.entries[count - 1].offset
    self.entries.removeFirst(count)
  }

  // MARK: What a client sees

  mutating func ask(
    _ request: ClientFrame.History, frameBytes: Int = 65_536
  ) throws -> (answer: ServerFrame.History, bytes: Int) {
    let text = self.answer(.history(request), frameBytes: frameBytes)
    guard case .history(let answer) = try text.withUnsafeReadableBytes({ try ServerFrame.scan($0) })
    else { throw TestFailure("not history: \(String(buffer: text))") }
    return (answer, text.readableBytes)
  }

  mutating func ask(
    _ request: ClientFrame.Conversations, frameBytes: Int = 65_536
  ) throws -> (answer: ServerFrame.Conversations, bytes: Int) {
    let text = self.answer(.conversations(request), frameBytes: frameBytes)
    guard
      case .conversations(let answer) = try text.withUnsafeReadableBytes({
        try ServerFrame.scan($0)
      })
    else { throw TestFailure("not a list: \(String(buffer: text))") }
    return (answer, text.readableBytes)
  }

  private mutating func answer(_ request: RequestQueue.Request, frameBytes: Int) -> ByteBuffer {
    self.reads = []
    self.examined = 0
    var queue = RequestQueue()
    queue.append(request)
    var read = queue.next(owner: Self.owner, frameBytes: frameBytes)
    var text = ByteBuffer()
    while let next = read {
      read = nil
      switch queue.arrived(self.reply(to: next)) {
      case .read(let further): read = further
      case .answer(let answer): text.write(answer)
      case nil: break
      }
    }
    return text
  }

  // MARK: At random

  /// A mailbox of up to `maximum` entries of all kinds, with rows.
  init(seed: UInt64, maximum: Int) {
    var random = SplitMix64(seed: seed)
    self.init()
    let peers = ["me"] + (0..<Int.random(in: 1...40, using: &random)).map { "peer\($0)" }
    for _ in 0..<Int.random(in: 0...maximum, using: &random) {
      // A few talk much.
      let most = Bool.random(using: &random) ? peers.count : min(3, peers.count)
      let peer = peers[Int.random(in: 0..<most, using: &random)]
      let quiet = Int.random(in: 0..<5, using: &random) == 0
      let place = self.last.milliseconds + UInt64.random(in: 1...3, using: &random)
      switch Int.random(in: 0..<10, using: &random) {
      case 0: self.add(Self.failed(to: peer), at: place)
      case 1..<4 where peer != "me": self.add(Self.sent(to: peer, quiet: quiet), at: place)
      default: self.add(Self.message(from: peer, quiet: quiet), at: place)
      }
    }
    let top = self.last.milliseconds
    self.table.summary.floor =
      Bool.random(using: &random) ? .zero : offset(UInt64.random(in: 0...top, using: &random))
    for (number, peer) in (peers + ["gone", "left"]).shuffled(using: &random).enumerated()
    where peer != "me" && Int.random(in: 0..<3, using: &random) > 0 {
      let mine = Bool.random(using: &random) ? 0 : UInt64.random(in: 0...top, using: &random)
      self.setRow(peer, mine: offset(mine), stamp: UInt64(number) * 10 + 5)
    }
    if Bool.random(using: &random) {
      self.removeOldest(Int.random(in: 0...self.entries.count / 2, using: &random))
    }
  }
}
