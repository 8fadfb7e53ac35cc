import ConnectProtocol
import NIOCore

/// Writes what is due, as the state machines have it.
extension ConnectClientCore {
  var isolated: NIOIsolatedEventLoop { self.eventLoop.assumeIsolated() }

  static var now: UInt64 { NIODeadline.now().uptimeNanoseconds }

  /// Once for all that happens in this turn of the loop.
  func writeDueLater() {
    guard !self.isWriteScheduled, self.connection != nil else { return }
    self.isWriteScheduled = true
    self.isolated.execute {
      self.isWriteScheduled = false
      self.writeDue()
    }
  }

  /// Sends and acks what is due, and sees to it that it is called again when more will be.
  func writeDue(isFinal: Bool = false) {
    guard let connection = self.connection, connection.isOpen else { return }
    let now = Self.now
    switch self.inbox.nextAck(now: now, isFinal: isFinal) {
    case .none: break
    case .wait(let time): self.wake(at: time)
    case .write(let offset): connection.acknowledge(offset)
    }
    while connection.isWritable, self.ask(on: connection, now: now) {}
    while connection.isWritable, self.saySignal(to: connection, now: now) {}
    while connection.isWritable {
      // In turn, so that neither waits for all of the other.
      let isDone =
        self.isReadsTurn
        ? !self.sayRead(to: connection, now: now) && !self.sendMessage(to: connection, now: now)
        : !self.sendMessage(to: connection, now: now) && !self.sayRead(to: connection, now: now)
      guard !isDone else { return }
    }
  }

  /// Says the read that is due, if there is one.
  private func sayRead(to connection: ConnectClientConnection, now: UInt64) -> Bool {
    switch self.reads.next(now: now, takeTurn: { self.queue.takeTurn(now: now) }) {
    case .none: return false
    case .wait(let time):
      self.wake(at: time)
      return false
    case .write(let read):
      connection.read(read)
      self.isReadsTurn = false
      return true
    }
  }

  /// Sends the message that is due, if there is one.
  private func sendMessage(to connection: ConnectClientConnection, now: UInt64) -> Bool {
    switch self.queue.next(now: now) {
    case .none: return false
    case .wait(let time):
      self.wake(at: time)
      return false
    case .send(let message, let retry):
      self.write(message, retry: retry, to: connection)
      self.isReadsTurn = true
      return true
    }
  }

  private func write(
    _ message: OutgoingMessage, retry: ClientFrame.Retry, to connection: ConnectClientConnection
  ) {
    let result = connection.send(
      id: message.id, to: message.to, body: message.body.buffer, receipt: message.receipt,
      copy: message.copy, quiet: message.quiet, retry: retry)
    guard result == .tooLarge, self.queue.settled(message.id) else { return }
    self.delegate?.received(
      .rejected(
        ServerFrame.Rejected(
          id: message.id, code: RejectionCode.tooLarge.rawValue,
          message: "the message takes more bytes than the server allows", retryable: false,
          retryAfterMilliseconds: nil),
        isFinal: true),
      from: self)
  }

  /// Asks for what is due, if there is something.
  private func ask(on connection: ConnectClientConnection, now: UInt64) -> Bool {
    let id: MessageID
    let result: ConnectClientConnection.SendResult
    switch self.requests.next(now: now) {
    case .none: return false
    case .wait(let time):
      self.wake(at: time)
      return false
    case .write(let request, let requestID):
      id = requestID
      result = connection.ask(request, id: id)
    case .watch(let users, let watchID):
      id = watchID
      result = connection.ask(.presence(users), id: id, watch: true)
    }
    if result == .tooLarge {
      self.refused(
        ServerFrame.Rejected(
          id: id, code: RejectionCode.tooLarge.rawValue,
          message: "the request takes more bytes than the server allows", retryable: false,
          retryAfterMilliseconds: nil))
    }
    return true
  }

  /// Says the signal that is due, if there is one.
  private func saySignal(to connection: ConnectClientConnection, now: UInt64) -> Bool {
    switch self.signals.next(id: .unique(), now: now) {
    case (.write(let signal), let id):
      connection.signal(signal, id: id)
      return true
    case (.wait(let time), _):
      self.wake(at: time)
      return false
    case (.none, _): return false
    }
  }

  /// Nothing more is to be written on this connection: what the server answered would be lost.
  func hold() {
    self.queue.hold()
    self.reads.disconnected()
    self.requests.disconnected()
    self.signals.disconnected()
  }
}

// MARK: - The timer

extension ConnectClientCore: NIOScheduledCallbackHandler {
  /// Makes the one timer fire at `time` at the latest.
  func wake(at time: UInt64) {
    if self.timer != nil, self.timerTime <= time { return }
    self.timer?.cancel()
    self.timerTime = time
    // Fails only when the event loop is shut down, and everything with it.
    self.timer = try? self.isolated.scheduleCallback(
      at: .uptimeNanoseconds(time), handler: self)
  }

  /// For the event loop: something may be due.
  public func handleScheduledCallback(eventLoop: some EventLoop) {
    self.timer = nil
    let now = Self.now
    for (id, error) in self.requests.expire(now: now) {
      self.delegate?.answered(id, .failure(error), from: self)
    }
    for peer in self.typing.expire(now: now) { self.tell(.typing(peer, isTyping: false)) }
    if let time = self.reconnectTime, time <= now { self.connect() }
    self.wakeForDeadlines()
    self.writeDue()
  }

  /// Sees to it that the timer fires for what does not wait for a connection.
  func wakeForDeadlines() {
    guard self.reconnect.state != .stopped else { return }
    let times = [self.reconnectTime, self.requests.nextDeadline, self.typing.nextExpiry]
    for case let time? in times { self.wake(at: time) }
  }
}
