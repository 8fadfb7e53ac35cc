import ConnectProtocol
import NIOCore
import SeededRandom

@testable import ConnectClient

/// How likely each fault is.
struct Faults {
  /// Of a connection: it is refused with 401 or 503.
  var refused = 0.0
  /// Of a connection: a part of what the device has not acked is no longer replayed.
  var gap = 0.0
  /// Of a frame, in either direction: the connection breaks there.
  var cut = 0.0
  /// Of a frame to the server: from then on nothing passes, and nobody is told.
  var mute = 0.0
  /// Of a frame to the server: the server says goodbye, and closes.
  var goodbye = 0.0
  /// Of a frame to the server: it comes late, perhaps after the client has another connection.
  var late = 0.0
  /// Of a send: the server asks for it later.
  var rejected = 0.0
  /// Of a message: the mailbox has it twice. Of a position: it is told twice.
  var twice = 0.0
  /// Of a message: it is taken, and then cannot be stored.
  var failed = 0.0

  static let all = Faults(
    refused: 0.15, gap: 0.1, cut: 0.006, mute: 0.002, goodbye: 0.01, late: 0.03, rejected: 0.05,
    twice: 0.03, failed: 0.03)
}

/// An entry of a mailbox.
struct Stored {
  enum Kind { case message, sent, failed }

  let kind: Kind
  let offset: Offset
  let id: MessageID
  /// The other side.
  let peer: UserName
  let at: UInt64
  let body: String
  let isQuiet: Bool
  /// Of a copy.
  var peerOffset: Offset?

  /// As a frame.
  var text: String {
    let head = #""offset":"\#(self.offset)","id":"\#(self.id)""#
    let tail = #""at":\#(self.at),"body":\#(self.body)\#(self.isQuiet ? #","quiet":true"# : "")}"#
    switch self.kind {
    case .message: return #"{"type":"message",\#(head),"from":"\#(self.peer)",\#(tail)"#
    case .sent:
      let place = self.peerOffset.map { "\($0)" } ?? ""
      return #"{"type":"sent",\#(head),"to":"\#(self.peer)","peerOffset":"\#(place)",\#(tail)"#
    case .failed:
      return """
        {"type":"failed",\(head),"to":"\(self.peer)","code":"mailbox_full","message":"it is full"}
        """
    }
  }

  /// What tells it from others in the conversations of `user`.
  func key(of user: UserName) -> Conversation.Entry.Key {
    Conversation.Entry.Key(from: self.kind == .message ? self.peer : user, id: self.id)
  }
}

/// How far a conversation has got, as a server has it.
struct PositionRow {
  var delivered: Offset?
  var read: Offset?
  var mine: Offset?
  var stamp: UInt64 = 0

  func text(peer: UserName, id: MessageID? = nil) -> String {
    let fields = [("delivered", self.delivered), ("read", self.read), ("mine", self.mine)]
      .compactMap { name, offset in offset.map { #","\#(name)":"\#($0)""# } }.joined()
    let answer = id.map { #","id":"\#($0)""# } ?? ""
    return #"{"type":"position","peer":"\#(peer)"\#(fields),"stamp":\#(self.stamp)\#(answer)}"#
  }
}

/// What a server has of a user.
struct UserData {
  var mailbox: [Stored] = []
  var cursors: [DeviceName: Offset] = [:]
  var positions: [UserName: PositionRow] = [:]
}

/// A process of a device, as the server knows it.
struct ClientProcess {
  let user: UserName
  /// Whether it has a message, or an entry of the mailbox, where the server thinks it has.
  let keeps: @Sendable (Conversation.Entry.Key, Offset?) -> Bool
  /// Whether it was killed: the server hears nothing more from it.
  var isKilled = false
  /// Whether it was refused with 401, and has said nothing since: after two such refusals, whatever else failed
  /// between them, a client rightly ends.
  var wasUnauthorized = false
}

/// Mailboxes, positions and connections of a few users: a server that keeps its word, behind gateways that fail in
/// every way. Only to be used on its event loop.
final class FaultyServer {
  /// Milliseconds after which a gateway hears that a connection was replaced, at most.
  private static let replacedMilliseconds: Int64 = 200

  let eventLoop: any EventLoop
  var random: SplitMix64
  var faults = Faults.all
  private(set) var users: [UserName: UserData] = [:]
  var processes: [Int: ClientProcess] = [:]
  /// Messages that failed at first.
  private(set) var failures: Set<MessageID> = []
  /// What became of each send, for whoever looks into a failure.
  private(set) var history: [MessageID: [String]] = [:]
  /// What a client has done that none may.
  private(set) var violations: [String] = []
  /// Up to where a gap has taken what a device had not acked.
  private var gaps: [UserName: [DeviceName: Offset]] = [:]
  /// Devices that may not know of their gap: whoever leaves the start to the server is told it again.
  private var untold: [UserName: Set<DeviceName>] = [:]
  private var connections: [ObjectIdentifier: FaultyConnection] = [:]
  private var lastOffset = Offset.zero
  private(set) var stamp: UInt64 = 0

  init(eventLoop: any EventLoop, seed: UInt64) {
    self.eventLoop = eventLoop
    self.random = SplitMix64(seed: seed)
  }

  func chance(_ fault: KeyPath<Faults, Double>) -> Bool {
    Double.random(in: 0..<1, using: &self.random) < self.faults[keyPath: fault]
  }

  /// At random, up to this many milliseconds.
  func delay(_ milliseconds: Int64) -> TimeAmount {
    .microseconds(Int64.random(in: 0...(milliseconds * 1_000), using: &self.random))
  }

  func note(_ id: MessageID, _ what: String) { self.history[id, default: []].append(what) }

  func violate(_ what: String) { self.violations.append(what) }

  var now: UInt64 { Conversation.now }

  private func newOffset() -> Offset {
    let next = Offset(milliseconds: self.now, sequence: 0)
    self.lastOffset = next > self.lastOffset ? next : self.lastOffset.successor
    return self.lastOffset
  }

  // MARK: Messages

  private func store(
    _ user: UserName, _ kind: Stored.Kind, _ message: Received, peer: UserName, at: UInt64,
    peerOffset: Offset? = nil
  ) -> Offset {
    let offset = self.newOffset()
    self.users[user, default: UserData()].mailbox.append(
      Stored(
        kind: kind, offset: offset, id: message.id, peer: peer, at: at, body: message.body,
        isQuiet: message.isQuiet, peerOffset: peerOffset))
    for connection in self.connections.values where connection.user == user { connection.push() }
    return offset
  }

  /// What a client sends.
  struct Received {
    let id: MessageID
    let body: String
    let isQuiet: Bool
    let retry: ClientFrame.Retry
  }

  /// Stores a message, once as far as its sender has said that it may be a repeat.
  func take(_ message: Received, from: UserName, to: UserName) -> Offset {
    let known = self.users[to]?.mailbox.contains { entry in
      guard entry.kind == .message, entry.id == message.id, entry.peer == from else { return false }
      switch message.retry {
      // An original that comes behind its repeat is left out.
      case .no, .yes: return true
      // It is looked for no further back.
      case .firstSent(let time): return entry.at >= time
      }
    }
    if known == true { return self.newOffset() }
    let at = self.now
    if self.chance(\.failed) {
      self.failures.insert(message.id)
      let place = self.newOffset()
      _ = self.store(from, .sent, message, peer: to, at: at, peerOffset: place)
      _ = self.store(from, .failed, message, peer: to, at: at)
      return place
    }
    let place = self.store(to, .message, message, peer: from, at: at)
    if self.chance(\.twice) { _ = self.store(to, .message, message, peer: from, at: at) }
    _ = self.store(from, .sent, message, peer: to, at: at, peerOffset: place)
    return place
  }

  // MARK: Positions

  /// A conversation of `user` has got further.
  func move(
    _ user: UserName, _ peer: UserName, delivered: Offset? = nil, read: Offset? = nil,
    mine: Offset? = nil
  ) {
    var row = self.users[user]?.positions[peer] ?? PositionRow()
    var hasMoved = false
    func advance(_ field: inout Offset?, to offset: Offset?) {
      guard let offset, offset > field ?? .zero else { return }
      field = offset
      hasMoved = true
    }
    advance(&row.delivered, to: delivered)
    advance(&row.read, to: read)
    advance(&row.mine, to: mine)
    guard hasMoved else { return }
    self.stamp += 1
    row.stamp = self.stamp
    self.users[user, default: UserData()].positions[peer] = row
    for connection in self.connections.values where connection.user == user {
      connection.tell(row.text(peer: peer))
      if self.chance(\.twice) { connection.tell(row.text(peer: peer)) }
    }
  }

  /// A device says that it has handled its mailbox up to an offset.
  func handled(_ offset: Offset, by process: Int, _ user: UserName, _ device: DeviceName) {
    let cursor = self.users[user]?.cursors[device] ?? .zero
    guard offset > cursor else { return }
    self.users[user, default: UserData()].cursors[device] = offset
    let gap = self.gaps[user]?[device] ?? .zero
    for entry in self.users[user]?.mailbox ?? []
    where entry.offset > cursor && entry.offset <= offset {
      if entry.kind != .failed, entry.offset > gap,
        self.processes[process]?.keeps(entry.key(of: user), entry.offset) == false
      {
        self.violate("\(user)/\(device) acked \(offset) without \(entry.text)")
      }
      if entry.kind == .message { self.move(entry.peer, user, delivered: entry.offset) }
    }
  }

  // MARK: Connections

  /// A device connects.
  ///
  /// - Returns: where replay begins, and whether there is a gap before that.
  func opened(_ connection: FaultyConnection, since: Offset?) -> (Offset, gap: Bool) {
    let (user, device) = (connection.user, connection.device)
    for other in self.connections.values where other.user == user && other.device == device {
      // Another gateway hears of it a little later, and takes what comes until then.
      self.eventLoop.assumeIsolated().scheduleTask(in: self.delay(Self.replacedMilliseconds)) {
        other.end(.replaced)
      }
    }
    self.connections[ObjectIdentifier(connection)] = connection
    if let since { self.handled(since, by: connection.process, user, device) }
    let start = since ?? self.users[user]?.cursors[device] ?? .zero
    let missed = (self.users[user]?.mailbox ?? []).filter { $0.offset > start }
    guard self.chance(\.gap), let last = missed.randomElement(using: &self.random) else {
      return (start, since == nil && self.untold[user]?.contains(device) == true)
    }
    self.untold[user, default: []].insert(device)
    // Two users share a device. A client that knows of a gap takes nothing from before its end any more, wherever a
    // later connection begins.
    let known = self.gaps[user]?[device] ?? .zero
    self.gaps[user, default: [:]][device] = max(known, last.offset)
    // Nothing may come behind the gap that the device acks, and senders wait until all is delivered.
    self.handled(last.offset, by: connection.process, user, device)
    return (last.offset, true)
  }

  /// A device acks behind a welcome that has told it of a gap.
  func knowsGap(_ user: UserName, _ device: DeviceName) { self.untold[user]?.remove(device) }

  func closed(_ connection: FaultyConnection) {
    self.connections[ObjectIdentifier(connection)] = nil
  }

  /// Nothing more is heard from a process, and its connections are gone.
  func kill(_ process: Int) {
    self.processes[process]?.isKilled = true
    for connection in self.connections.values where connection.process == process {
      connection.kill()
    }
  }
}
