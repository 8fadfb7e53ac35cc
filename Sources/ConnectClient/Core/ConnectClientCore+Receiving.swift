import ConnectProtocol
import NIOCore

/// Brings what comes to the state machines, and what they make of it to the app.
extension ConnectClientCore: ConnectClientConnectionDelegate {
  /// For the connection.
  public func received(
    _ frame: ServerFrame, payload: ByteBuffer, on connection: ConnectClientConnection
  ) {
    guard !self.isForeign else { return }
    switch frame {
    case .welcome(let welcome):
      if let user = self.configuration.user, welcome.user != user {
        self.isForeign = true
        return connection.fail(.otherUser(welcome.user.text))
      }
      // A start above everything is none of this mailbox: chosen again, it would be moved again.
      if let asked = self.asked, welcome.offset < asked { self.since = welcome.offset }
      self.inbox.connected(
        after: welcome.offset, asked: self.asked, hasGap: welcome.gap,
        window: welcome.limits.unacked)
      self.queue.connected(
        sendsPerSecond: welcome.limits.sendsPerSecond, serverNow: welcome.now, now: Self.now)
      self.reads.connected()
      self.requests.connected(requestsPerSecond: welcome.limits.requestsPerSecond)
      self.signals.connected(signalsPerSecond: welcome.limits.signalsPerSecond)
      self.typing.connected()
      self.stamp.connected(welcome)
      self.tell(.connected(welcome))
    case .live(let offset):
      self.stamp.live()
      self.tell(.live(offset))
    case .message(let message):
      guard self.inbox.receive(message.offset, from: message.from, id: message.id) else { return }
      if self.typing.message(from: message.from, at: message.at) {
        self.tell(.typing(message.from, isTyping: false))
      }
      self.tell(.message(IncomingMessage(message, of: payload)))
    case .sent(let sent):
      self.sent(sent, payload)
    case .position(let position):
      self.stamp.received(position)
      if let id = position.id { self.reads.settled(id) }
      self.tell(.position(position))
    case .failed(let failed):
      guard self.inbox.receive(failed.offset, failureOf: failed.id, to: failed.to) else { return }
      self.tell(.failed(failed))
    case .accepted(let id, let offset):
      self.rejections.reset()
      guard self.queue.settled(id) else { return }
      self.tell(.accepted(id: id, offset: offset))
    case .rejected(let rejected):
      self.rejected(rejected)
    case .goodbye:
      // What is sent now would be rejected, and its order lost.
      self.hold()
    case .error(let code, let message):
      self.tell(.error(code: code, message: message))
    case .unknown(_, let offset?):
      self.inbox.skip(offset)
    case .conversations(let answer):
      self.answered(answer.id) { .conversations(ConversationPage(answer, of: payload)) }
    case .history(let answer):
      self.answered(answer.id) { .history(HistoryPage(answer, of: payload)) }
    case .presence(let presence):
      self.received(presence)
    case .signal(let signal):
      self.received(signal, payload)
    case .pong, .unknown(_, offset: nil):
      break
    }
  }

  private func sent(_ sent: ServerFrame.Sent, _ payload: ByteBuffer) {
    guard
      self.inbox.receive(sent.offset, to: sent.to, id: sent.id, at: sent.peerOffset)
    else { return }
    if self.queue.copied(sent.id) {
      self.tell(.accepted(id: sent.id, offset: sent.peerOffset))
    }
    self.tell(.sent(SentMessage(sent, of: payload)))
  }

  private func answered(_ id: MessageID?, _ answer: () -> ConnectAnswer) {
    guard let id, self.requests.settled(id) == .request else { return }
    self.rejections.reset()
    self.delegate?.answered(id, .success(answer()), from: self)
  }

  private func received(_ presence: ServerFrame.Presence) {
    switch presence.id.map({ self.requests.settled($0) }) {
    case nil, .watch: self.tell(.presence(presence.users))
    case .request:
      guard let id = presence.id else { return }
      self.delegate?.answered(id, .success(.presence(presence.users)), from: self)
    case .nobody: break
    }
  }

  private func received(_ signal: ServerFrame.Signal, _ payload: ByteBuffer) {
    guard signal.name == .typing else {
      return self.tell(.signal(IncomingSignal(signal, of: payload)))
    }
    guard self.typing.received(from: signal.from, at: signal.at, now: Self.now) else { return }
    self.tell(.typing(signal.from, isTyping: true))
    self.wakeForDeadlines()
  }

  /// A request or a signal was refused.
  ///
  /// - Parameter until: when it may be taken.
  /// - Returns: whether it was one.
  @discardableResult
  func refused(_ rejected: ServerFrame.Rejected, until: UInt64 = 0) -> Bool {
    switch self.requests.rejected(rejected, until: until, now: Self.now) {
    case .failed(let error):
      self.delegate?.answered(rejected.id, .failure(error), from: self)
    case .watchRefused:
      self.tell(.error(code: rejected.code, message: rejected.message))
    case .noted: break
    case .unknown:
      guard self.signals.rejected(rejected.id, until: rejected.retryable ? until : nil) else {
        return false
      }
      if !rejected.retryable {
        self.tell(.error(code: rejected.code, message: rejected.message))
      }
    }
    self.writeDueLater()
    return true
  }

  private func rejected(_ rejected: ServerFrame.Rejected) {
    guard rejected.retryable else {
      if self.refused(rejected) { return }
      if self.reads.contains(rejected.id) {
        self.reads.settled(rejected.id)
        return self.tell(.error(code: rejected.code, message: rejected.message))
      }
      guard self.queue.settled(rejected.id) else { return }
      return self.tell(.rejected(rejected, isFinal: true))
    }
    let asked = rejected.retryAfterMilliseconds.map {
      min(max(0, Int64($0)), ConnectClientLimits.askedWaitMilliseconds)
    }
    let wait = asked ?? self.rejections.next(using: &self.random)
    let until = Self.now + UInt64(wait) * 1_000_000
    if self.refused(rejected, until: until) { return }
    if self.reads.rejected(rejected.id, until: until) { return self.writeDueLater() }
    let mayBeTaken = RejectionCode(rawValue: rejected.code)?.mayBeTaken ?? true
    guard self.queue.rejected(rejected.id, until: until, mayBeTaken: mayBeTaken) else { return }
    self.tell(.rejected(rejected, isFinal: false))
  }

  func tell(_ event: ConnectEvent) { self.delegate?.received(event, from: self) }

  /// For the connection.
  public func readCompleted(on connection: ConnectClientConnection) {
    self.delegate?.readCompleted(self)
    self.writeDue()
  }

  /// For the connection.
  public func becameWritable(_ connection: ConnectClientConnection) { self.writeDue() }

  /// For the connection.
  public func ended(_ ended: EndedConnection, _ connection: ConnectClientConnection) {
    self.ended(ended)
  }

  func ended(_ ended: EndedConnection) {
    guard self.delegate != nil else { return }
    self.connection = nil
    self.inbox.disconnected()
    self.queue.disconnected()
    self.reads.disconnected()
    self.requests.disconnected()
    self.signals.disconnected()
    switch self.reconnect.ended(ended, using: &self.random) {
    case .wait(let milliseconds):
      self.reconnectTime = Self.now + UInt64(milliseconds) * 1_000_000
      self.tell(.disconnected(ended.end, retryIn: .milliseconds(milliseconds)))
      self.wakeForDeadlines()
    case .stop:
      self.timer?.cancel()
      self.timer = nil
      for id in self.requests.end() {
        self.delegate?.answered(id, .failure(.ended(ended.end)), from: self)
      }
      self.tell(.disconnected(ended.end, retryIn: nil))
      self.delegate?.readCompleted(self)
      self.delegate = nil
      return
    }
    self.delegate?.readCompleted(self)
  }
}
