import ConnectProtocol
import MessageBus
import NIOCore
import WebSocket

/// One WebSocket: carries out what its state machines decide.
///
/// Bound to its channel's event loop. An idle connection holds no buffer, no timer and no task: the
/// loop's clock visits it.
final class ConnectionHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  let user: UserName
  let device: DeviceName
  /// Unique among the instance's connections.
  let id: String
  let loop: GatewayLoop
  private let tokenExpires: Double

  var context: ChannelHandlerContext?
  var session = SessionStateMachine()
  var registration: RegistrationStateMachine
  /// All up to here is known to be noted as told to the senders.
  var noted = Offset.zero
  /// Nil while the connection is idle: then ``restingAt`` is all there is to know.
  private(set) var activity: ConnectionActivity?
  private var restingAt = ConnectionActivity.Rest()
  /// The user's budget, from its first use until it is full again.
  private var usedBudget: UserBudget?
  /// The loop's clock's own.
  var clockPlace: ConnectionClock.Place?

  init(
    loop: GatewayLoop, user: UserName, device: DeviceName, since: Offset?, positions: UInt64?,
    tokenExpires: Double
  ) {
    self.loop = loop
    self.user = user
    self.device = device
    self.id = loop.nextConnectionID()
    self.registration = RegistrationStateMachine(since: since)
    self.tokenExpires = tokenExpires
    self.activity = ConnectionActivity(loop.configuration, positions: positions)
  }

  /// What the user may do, shared by all of the user's connections. To be asked for with a use only.
  var budget: UserBudget {
    if let budget = self.usedBudget { return budget }
    let budget = self.loop.budget(of: self.user)
    self.usedBudget = budget
    return budget
  }

  /// What the connection does. Ends when there is nothing to do; see ``restIfIdle()``.
  var active: ConnectionActivity {
    if let activity = self.activity { return activity }
    let activity = ConnectionActivity(
      self.loop.configuration, after: self.restingAt, noted: self.noted)
    self.activity = activity
    return activity
  }

  /// Holds no more memory than an idle connection must, if it is one. To be called when something is done.
  func restIfIdle() {
    guard let activity = self.activity, self.session.isIdle, let rest = activity.rest else {
      return
    }
    self.restingAt = rest
    self.activity = nil
  }

  /// The last message that the client was sent, or claims to have.
  var last: Offset { self.activity?.delivery.last ?? self.restingAt.delivery.last }

  /// The same, if it is all that is known to be in the mailbox.
  var lastIfCurrent: Offset? {
    guard let activity = self.activity else { return self.restingAt.delivery.last }
    return activity.delivery.state == .current ? activity.delivery.last : nil
  }

  /// All positions up to this stamp were told.
  var told: UInt64 { self.activity?.feed.told ?? self.restingAt.told }

  // MARK: The channel

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    // Fails only when the channel is closed.
    try? context.channel.syncOptions?.setOption(
      .recvAllocator, value: ReceiveBuffers(self.loop.receiveBuffer))
    self.register()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let bytes = self.unwrapInboundIn(data)
    // The decoder has its copy alone, and unmasks it in place.
    self.active.decoder.append(context.channel.allocator.buffer(buffer: bytes))
    self.loop.receiveBuffer.giveBack(bytes)
    self.session.heard()
    guard self.session.state != .opening else {
      // The rest of what the client says before `welcome` waits in the kernel.
      return self.setReading(false)
    }
    self.serveFrames()
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    self.restIfIdle()
    context.fireChannelReadComplete()
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    let isWritable = context.channel.isWritable
    // A client that does not read is not read from either, so that answers to its sends are bounded.
    if self.session.state != .opening { self.setReading(isWritable && !self.active.awaitsAnswers) }
    if isWritable {
      self.tellMissedPresence()
      self.readRows()
      self.requestPage()
      self.serveRequests()
      self.restIfIdle()
    }
    context.fireChannelWritabilityChanged()
  }

  func channelInactive(context: ChannelHandlerContext) {
    self.ended()
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) { self.ended() }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // The socket failed: a client that vanished is not worth a log line.
    context.close(promise: nil)
  }

  private func ended() {
    guard self.context != nil else { return }
    let wasOver = self.isOver
    self.session.disconnected()
    self.context = nil
    self.loop.remove(self)
    if !wasOver { self.deregister() }
  }

  /// Whether the client has sent its close, or the socket is closed.
  var isOver: Bool { self.session.state == .closed }

  /// Serves buffered frames. Also called when the session opens, or does not: some may have come before.
  func serveFrames() {
    do throws(WebSocketError) {
      while self.context != nil, !self.mustAwaitAnswers, let event = try self.active.decoder.next()
      {
        self.handle(event)
      }
      if self.mustAwaitAnswers, !self.active.awaitsAnswers {
        self.active.awaitsAnswers = true
        self.setReading(false)
      }
    } catch {
      self.close(CloseCode(rawValue: error.closeCode), error.message)
      // Nothing it says can be read any more, not even its close.
      self.endOutput()
    }
  }

  /// Whether the client has so many sends under way or rejected that what comes behind them waits in
  /// the socket: if those under way fail, all of them must be remembered until they come again.
  private var mustAwaitAnswers: Bool {
    let unanswered = self.session.unansweredSends
    return unanswered > 0 && self.session.isOpen
      && unanswered + self.active.sendOrder.count >= GatewayLimits.heldSends
  }

  /// Resumes reading once sends are answered.
  func readOnIfAnswered() {
    guard let active = self.activity, active.awaitsAnswers, !self.mustAwaitAnswers,
      let context = self.context
    else { return }
    active.awaitsAnswers = false
    active.sendOrder.readingResumed(now: self.loop.runningNanoseconds)
    self.setReading(context.channel.isWritable || !self.session.isOpen)
    self.serveFrames()
  }

  func setReading(_ isReading: Bool) {
    guard let options = self.context?.channel.syncOptions else { return }
    let running = self.loop.runningNanoseconds
    if isReading {
      self.activity?.sendOrder.readingResumed(now: running)
    } else {
      self.activity?.sendOrder.readingStopped(now: running)
    }
    // Fails only when the channel is closed, and then there is nothing to read.
    try? options.setOption(.autoRead, value: isReading)
  }

  // MARK: Writing

  /// Whether the socket takes more, so that a push may be written.
  var canWrite: Bool {
    guard self.session.takesMessages else { return false }
    // Else the client's acks could cause more positions than may wait. See `retry()`.
    let active = self.active
    if active.outbox.unsettled + active.delivery.unackedCount >= GatewayLimits.waitingPositions,
      active.outbox.unsettled > 0
    {
      return false
    }
    return self.socketTakesMore
  }

  /// Whether the bytes that wait for the socket are within their mark.
  var socketTakesMore: Bool {
    guard let context = self.context else { return false }
    // Up to the mark and not only below it: NIO tells when the socket takes more again only if the
    // mark was passed.
    return context.channel.isWritable
      && self.active.output.readableBytes <= GatewayLimits.writeBufferHighBytes
  }

  /// Appends frames to the output of this turn of the loop.
  func write(_ body: (inout ByteBuffer) -> Void) {
    guard self.context != nil else { return }
    let active = self.active
    body(&active.output)
    guard !active.isDirty else { return }
    active.isDirty = true
    self.loop.flushLater(self)
  }

  /// Appends a frame of JSON, unless a close was sent: nothing may follow it.
  func writeText(_ body: (inout ByteBuffer) -> Void) {
    guard self.session.isOpen else { return }
    self.write { $0.writeWebSocketFrame(.text) { body(&$0) } }
  }

  func flush() {
    let active = self.active
    active.isDirty = false
    guard let context = self.context else { return }
    if active.output.readableBytes > 0 {
      let output = active.output
      active.output = ByteBuffer()
      context.writeAndFlush(self.wrapOutboundOut(output), promise: nil)
    }
    self.restIfIdle()
  }

  // MARK: Closing

  /// Closes with a code of the protocol: the close frame, and our end of the socket when the client has
  /// answered.
  func close(_ code: CloseCode, _ reason: String) {
    let hasWaited = self.session.state == .opening
    guard self.session.close() else { return }
    self.loop.metrics.closed(code)
    self.endPresence()
    self.writeClose(code.rawValue, reason)
    // Its own close may be among what it said before a welcome.
    if hasWaited { self.serveFrames() }
  }

  /// Writes the close frame, and gives the client a bounded time to end the connection.
  private func writeClose(_ code: UInt16, _ reason: String) {
    guard self.context != nil else { return }
    self.active.awaitsAnswers = false
    self.write { $0.writeWebSocketClose(code: code, reason: reason) }
    self.flush()
    self.setReading(true)
    self.continueClosing(after: self.loop.drainPlan.closeMilliseconds) {
      $0.context?.close(promise: nil)
    }
  }

  /// The timer keeps nothing alive when the socket ends before, and is not cancelled then: an event loop
  /// would search all its timers for it, for each of the thousands that may end in a second.
  private func continueClosing(
    after milliseconds: Int64, _ body: @escaping (ConnectionHandler) -> Void
  ) {
    self.loop.isolated.scheduleTask(in: .milliseconds(milliseconds)) { [weak self] in
      if let self { body(self) }
    }
  }

  /// Tells the client to end too; what it says until then is read and dropped. If the socket were
  /// closed with something unread, the kernel would reset it, and the client could lose our close frame.
  private func endOutput() { self.context?.close(mode: .output, promise: nil) }

  /// Says goodbye, with the time after which to reconnect, and closes when the answers to the
  /// client's sends are there. One that is still being registered does so when it is.
  func leave(_ farewell: Farewell) {
    // What is erased stays so, whatever else ends the connection.
    if farewell == .erased || self.active.farewell == nil { self.active.farewell = farewell }
    if farewell == .erased {
      self.active.outbox.erase()
      self.active.reads.erase()
      self.carryOut(self.registration.erased(underWay: self.active.outbox.underWay))
    }
    let action = self.session.leave()
    guard action != .none else { return }
    self.endRequests()
    let wait = Int.random(in: 0...GatewayLimits.reconnectSpreadMilliseconds)
    self.writeText { _ = $0.writeGoodbye(code: farewell.code, reconnectAfterMilliseconds: wait) }
    let patience = self.loop.drainPlan.answerMilliseconds
    guard action == .goodbyeAndWait, patience > 0 else { return self.closeAfterGoodbye() }
    self.continueClosing(after: patience) { $0.closeAfterGoodbye() }
  }

  func closeAfterGoodbye() {
    let farewell = self.active.farewell ?? .restart
    self.close(farewell.code, farewell.reason)
  }

  /// Closes the socket without a close frame.
  func abandon() { self.context?.close(promise: nil) }

  func closeReceived(_ code: UInt16?) {
    if self.session.closeReceived() { self.writeClose(code ?? CloseCode.normal.rawValue, "") }
    self.deregister()
    self.endOutput()
  }

  // MARK: The clock

  /// A ping period has passed.
  ///
  /// - Parameter now: seconds since 1970.
  func periodPassed(now: Double) {
    if self.usedBudget?.isFull(now: NIODeadline.now().uptimeNanoseconds) == true {
      self.usedBudget = nil
    }
    if let activity = self.activity {
      activity.isInUse = false
      activity.sendOrder.forgetCopies()
      // One that is under way may be rejected yet, and keep those back.
      if self.session.unansweredSends == 0 {
        activity.sendOrder.forgetLate(now: self.loop.runningNanoseconds)
      }
      // What it may have said was not read.
      if activity.awaitsAnswers { self.session.heard() }
    }
    switch self.session.periodPassed(tokenHasExpired: now >= self.tokenExpires) {
    case .ping:
      self.ping()
      self.registerAgain()
      self.carryOut(self.registration.periodPassed(now: now))
    case .close(let code):
      let reason = code == .tokenExpired ? "the token has expired" : "nothing came for two periods"
      self.close(code, reason)
    case .none:
      break
    }
  }

  private func ping() {
    guard let context = self.context, self.activity?.isDirty != true else {
      return self.write { $0.writeImmutableBuffer(self.loop.ping) }
    }
    // Nothing else goes out in this turn, so an idle connection needs no buffer of its own.
    context.writeAndFlush(self.wrapOutboundOut(self.loop.ping), promise: nil)
  }
}
