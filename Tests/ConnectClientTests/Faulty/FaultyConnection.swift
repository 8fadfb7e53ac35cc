import ConnectProtocol
import NIOCore
import SeededRandom
import WebSocket

@testable import ConnectClient

/// One connection of a ``FaultyServer``, and what befalls it.
final class FaultyConnection: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private enum Limit {
    /// Milliseconds between a frame and its arrival, at most.
    static let delay: Int64 = 3
    /// Milliseconds for which a frame that comes late is on its way.
    static let late: Int64 = 300
    /// Entries that may be sent ahead of the acks.
    static let unacked = 16
    /// The period of pings that a client is told: when it has heard nothing for two of them, it gives up.
    static let pingSeconds = 1
    /// Milliseconds between pings.
    static let ping: Int64 = 800
    /// Milliseconds after which a rejected message may come again, at most.
    static let retryAfter = 50
    /// Milliseconds after which a client comes back that was told to go.
    static let reconnectAfter = 20
  }

  private let server: FaultyServer
  private(set) var user = UserName("nobody")!
  private(set) var device = DeviceName.default
  private(set) var process = 0
  private var channel: (any Channel)?
  private var head = ByteBuffer()
  private var decoder = WebSocketDecoder(role: .server, maximumMessageBytes: 1 << 20)
  private var isUpgraded = false
  /// Half-open: nothing passes in either direction.
  private var isMute = false
  /// It has broken: what comes behind that is lost, and what was read before is taken.
  private var isCut = false
  /// The server no longer takes what comes.
  private var isClosed = false
  private var isWelcome = false
  private var isLive = false
  /// Whether its welcome tells of a gap.
  private var hasGap = false
  private var toServer = NIODeadline.now()
  private var toClient = NIODeadline.now()
  private var pushed = Offset.zero
  private var acked = Offset.zero
  /// By recipient, what was put off and has not come again: it holds back what follows it.
  private var putOff: [UserName: [MessageID]] = [:]
  /// Messages whose copies were told: the client takes that for the answer, and nothing waits for them.
  private var copied: Set<MessageID> = []

  init(server: FaultyServer) { self.server = server }

  /// For whoever looks into a failure.
  private func note(_ message: FaultyServer.Received, _ what: String) {
    let name = "\(self.device), \(UInt(bitPattern: ObjectIdentifier(self).hashValue) % 1_000)"
    self.server.note(
      message.id, "\(self.server.now % 100_000) on \(name): \(what), \(message.retry)")
  }

  // MARK: The socket

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = self.unwrapInboundIn(data)
    self.channel = context.channel
    guard self.isUpgraded else {
      self.head.writeBuffer(&bytes)
      return self.upgrade()
    }
    self.decoder.append(bytes)
    while let event = try? self.decoder.next() {
      switch event {
      case .text(let payload): self.arrived(payload)
      case .close:
        self.channel?.close(promise: nil)
      default: break
      }
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    // What was read before is still taken.
    self.server.eventLoop.assumeIsolated().scheduleTask(in: self.server.delay(Limit.late)) {
      self.close()
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }

  private func upgrade() {
    let text = String(buffer: self.head)
    guard text.hasSuffix("\r\n\r\n") else { return }
    func field(_ pattern: Regex<(Substring, Substring)>) -> String? {
      text.firstMatch(of: pattern).map { String($0.1) }
    }
    guard let token = field(/Bearer (\S+)/), let name = TokenSubject.of(token),
      let user = UserName(name),
      let process = token.split(separator: ".").last.flatMap({ Int($0) }),
      let device = field(/device=([^& ]+)/).flatMap({ DeviceName($0) }),
      let key = field(/Sec-WebSocket-Key: (\S+)/), let known = self.server.processes[process]
    else { return self.server.violate("a request that makes no sense: \(text)") }
    if known.isKilled || self.server.chance(\.refused) {
      let isUnauthorized =
        !known.isKilled && !known.wasUnauthorized && Bool.random(using: &self.server.random)
      if isUnauthorized { self.server.processes[process]?.wasUnauthorized = true }
      let status = isUnauthorized ? "401 Unauthorized" : "503 Service Unavailable"
      self.write(ByteBuffer(string: "HTTP/1.1 \(status)\r\ncontent-length: 0\r\n\r\n"))
      self.channel?.close(promise: nil)
      return
    }
    (self.user, self.device, self.process, self.isUpgraded) = (user, device, process, true)
    self.write(
      ByteBuffer(
        string: """
          HTTP/1.1 101 Switching Protocols\r
          Upgrade: websocket\r
          Connection: Upgrade\r
          Sec-WebSocket-Accept: \(WebSocketHandshake.acceptValue(forKey: key))\r
          Sec-WebSocket-Protocol: connect.v1.json\r
          \r\n
          """))
    self.begin(
      since: field(/since=([0-9-]+)/).flatMap { Offset($0) },
      positions: field(/positions=([0-9]+)/).flatMap { UInt64($0) })
  }

  private func write(_ buffer: ByteBuffer) { self.channel?.writeAndFlush(buffer, promise: nil) }

  private func begin(since: Offset?, positions: UInt64?) {
    let (start, hasGap) = self.server.opened(self, since: since)
    self.hasGap = hasGap
    (self.pushed, self.acked) = (start, start)
    var welcome = ByteBuffer()
    _ = welcome.writeWelcome(
      ServerFrame.Welcome(
        user: self.user, device: self.device, connection: "c", gateway: "faulty", offset: start,
        gap: hasGap,
        limits: ServerFrame.Limits(
          frameBytes: 65_536, unacked: Limit.unacked, sendsPerSecond: 0, requestsPerSecond: 0,
          signalsPerSecond: 0),
        pingSeconds: Limit.pingSeconds, positions: self.server.stamp, now: self.server.now,
        retentionSeconds: 2_592_000))
    self.say(String(buffer: welcome))
    self.isWelcome = true
    self.ping()
    let rows = self.server.users[self.user]?.positions ?? [:]
    for (peer, row) in rows.sorted(by: { $0.value.stamp < $1.value.stamp }) {
      if let positions, row.stamp > positions { self.say(row.text(peer: peer)) }
    }
    self.push()
  }

  private func ping() {
    self.server.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(Limit.ping)) {
      guard !self.isClosed, !self.isMute else { return }
      var buffer = ByteBuffer()
      buffer.writeWebSocketFrame(.ping) { _ in }
      self.write(buffer)
      self.ping()
    }
  }

  // MARK: To the client

  /// Once it is welcomed.
  func tell(_ frame: String) { if self.isWelcome { self.say(frame) } }

  private func say(_ frame: String) {
    guard !self.isClosed else { return }
    self.toClient = max(self.toClient, .now() + self.server.delay(Limit.delay))
    self.server.eventLoop.assumeIsolated().scheduleTask(deadline: self.toClient) {
      guard !self.isMute else { return }
      if self.server.chance(\.cut) { return self.cut() }
      var buffer = ByteBuffer()
      buffer.writeWebSocketFrame(.text) { _ = $0.writeString(frame) }
      self.write(buffer)
    }
  }

  /// Replays what the device does not have, as far as the acks allow.
  func push() {
    guard self.isWelcome, !self.isClosed else { return }
    let mailbox = self.server.users[self.user]?.mailbox ?? []
    var unacked = mailbox.count { $0.offset > self.acked && $0.offset <= self.pushed }
    for entry in mailbox where entry.offset > self.pushed {
      guard unacked < Limit.unacked else { return }
      unacked += 1
      self.pushed = entry.offset
      if entry.kind == .sent {
        self.copied.insert(entry.id)
        self.putOff[entry.peer]?.removeAll { $0 == entry.id }
      }
      self.say(entry.text)
    }
    guard !self.isLive else { return }
    self.isLive = true
    self.say(#"{"type":"live","offset":"\#(self.pushed)"}"#)
  }

  /// Closes behind what was said.
  func end(_ code: CloseCode) {
    self.close()
    self.server.eventLoop.assumeIsolated().scheduleTask(deadline: self.toClient) {
      guard !self.isMute else { return }
      var buffer = ByteBuffer()
      buffer.writeWebSocketClose(code: code.rawValue, reason: "")
      self.write(buffer)
    }
  }

  func kill() {
    self.close()
    self.channel?.close(promise: nil)
  }

  private func close() {
    self.isClosed = true
    self.server.closed(self)
  }

  // MARK: From the client

  private func cut() {
    self.isCut = true
    self.channel?.close(promise: nil)
  }

  private func arrived(_ payload: ByteBuffer) {
    guard !self.isCut else { return }
    self.server.processes[self.process]?.wasUnauthorized = false
    if self.server.chance(\.cut) { return self.cut() }
    if self.server.chance(\.mute) { self.isMute = true }
    guard !self.isMute else { return }
    if self.server.chance(\.goodbye) {
      self.say(
        """
        {"type":"goodbye","code":\(CloseCode.restart.rawValue),\
        "reconnectAfterMs":\(Limit.reconnectAfter)}
        """)
      self.end(.restart)
      return
    }
    var delay = self.server.delay(Limit.delay)
    if self.server.chance(\.late) { delay = delay + self.server.delay(Limit.late) }
    self.toServer = max(self.toServer, .now() + delay)
    self.server.eventLoop.assumeIsolated().scheduleTask(deadline: self.toServer) {
      self.take(payload)
    }
  }

  private func take(_ payload: ByteBuffer) {
    guard !self.isClosed, !self.isMute, let process = self.server.processes[self.process],
      !process.isKilled
    else { return }
    guard
      let frame = try? payload.withUnsafeReadableBytes({ try ClientFrame.scan($0) })
    else { return self.server.violate("a frame that makes no sense: \(String(buffer: payload))") }
    if case .ping(let id) = frame {
      return self.say(#"{"type":"pong"\#(id.map { #","id":"\#($0)""# } ?? "")}"#)
    }
    guard process.user == self.user else {
      return self.server.violate("\(process.user) says \(frame) by a token of \(self.user)")
    }
    switch frame {
    case .ack(let offset):
      if self.hasGap { self.server.knowsGap(self.user, self.device) }
      self.acked = max(self.acked, offset)
      self.server.handled(offset, by: self.process, self.user, self.device)
      self.push()
    case .send(let send):
      let body = payload.getString(
        at: payload.readerIndex + send.body.lowerBound, length: send.body.count)
      self.send(
        FaultyServer.Received(
          id: send.id, body: body ?? "null", isQuiet: send.quiet, retry: send.retry), to: send.to)
    case .read(let read):
      self.server.move(self.user, read.peer, mine: read.offset)
      if !read.isPrivate { self.server.move(read.peer, self.user, read: read.offset) }
      let row = self.server.users[self.user]?.positions[read.peer] ?? PositionRow()
      self.say(row.text(peer: read.peer, id: read.id))
    case .history(let request): self.say(self.history(request))
    case .conversations(let request): self.say(self.list(id: request.id))
    case .presence, .signal, .ping: break
    }
  }

  /// What is put off holds back what follows it to the same user, until it comes again.
  private func send(_ message: FaultyServer.Received, to: UserName) {
    guard
      self.server.processes[self.process]?.keeps(.init(from: self.user, id: message.id), nil)
        != false
    else { return self.server.violate("\(self.user) sends \(message.id), which is not stored") }
    func reject(_ code: RejectionCode) {
      self.note(message, "\(code)")
      if !self.copied.contains(message.id), self.putOff[to]?.contains(message.id) != true {
        self.putOff[to, default: []].append(message.id)
      }
      let wait = Int.random(in: 0...Limit.retryAfter, using: &self.server.random)
      self.say(
        """
        {"type":"rejected","id":"\(message.id)","code":"\(code.rawValue)","message":"later",\
        "retryable":true,"retryAfterMs":\(wait)}
        """)
    }
    if let first = self.putOff[to]?.first, first != message.id, !self.copied.contains(message.id) {
      return reject(.overloaded)
    }
    if self.server.chance(\.rejected) {
      let isUnknown = Bool.random(using: &self.server.random)
      // It may have been stored, and only the answer was lost.
      if isUnknown, Bool.random(using: &self.server.random) {
        _ = self.server.take(message, from: self.user, to: to)
        self.note(message, "stored")
      }
      return reject(isUnknown ? .unavailable : .rateLimited)
    }
    self.putOff[to]?.removeAll { $0 == message.id }
    let place = self.server.take(message, from: self.user, to: to)
    self.note(message, "accepted at \(place)")
    self.say(#"{"type":"accepted","id":"\#(message.id)","offset":"\#(place)"}"#)
  }

  private func history(_ request: ClientFrame.History) -> String {
    let all = (self.server.users[self.user]?.mailbox ?? []).filter { entry in
      entry.offset < request.before ?? .init(milliseconds: .max, sequence: .max)
        && (request.peer == nil || entry.peer == request.peer)
    }
    let entries = all.suffix(request.limit)
    let next = entries.count < all.count ? entries.first.map { #","next":"\#($0.offset)""# } : nil
    return """
      {"type":"history","id":"\(request.id.map { "\($0)" } ?? "")",\
      "entries":[\(entries.reversed().map(\.text).joined(separator: ","))]\(next ?? "")}
      """
  }

  private func list(id: MessageID?) -> String {
    let data = self.server.users[self.user] ?? UserData()
    var items: [(last: Offset, text: String)] = []
    for peer in Set(data.mailbox.map(\.peer)) {
      let row = data.positions[peer] ?? PositionRow()
      let last = data.mailbox.last { $0.peer == peer && $0.kind != .failed && !$0.isQuiet }
      let unread = data.mailbox.count {
        $0.kind == .message && $0.peer == peer && !$0.isQuiet && $0.offset > row.mine ?? .zero
      }
      let fields = [("delivered", row.delivered), ("read", row.read), ("mine", row.mine)]
        .compactMap { name, offset in offset.map { #","\#(name)":"\#($0)""# } }.joined()
      items.append(
        (
          last?.offset ?? .zero,
          """
          {"peer":"\(peer)"\(last.map { #","last":\#($0.text)"# } ?? ""),"unread":\(unread)\(fields)}
          """
        ))
    }
    let texts = items.sorted { $0.last > $1.last }.map(\.text).joined(separator: ",")
    return #"{"type":"conversations","id":"\#(id.map { "\($0)" } ?? "")","items":[\#(texts)]}"#
  }
}
