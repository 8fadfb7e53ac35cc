import NIOCore

/// One connection to one server: writes batches, and sorts the replies to them.
///
/// Bound to its channel's event loop; the decisions are ``RedisConnectionStateMachine``'s.
final class RedisConnectionHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  /// A batch under way: where its replies go, and who waits for them.
  private final class Request {
    let arena: ReplyArena
    let completion: (RedisReplies) -> Void

    init(commands: Int, completion: @escaping (RedisReplies) -> Void) {
      self.arena = ReplyArena(expecting: commands)
      self.completion = completion
    }
  }

  private var context: ChannelHandlerContext?
  private var state = RedisConnectionStateMachine<Request>(
    maximumUnansweredBytes: RedisLimits.maximumUnansweredBytes)
  private var reader = ReplyReader()
  /// Takes what Redis says while nothing is under way, so that it never lands in an arena that was
  /// already handed over.
  private let stray = ReplyArena(expecting: 0)
  private var deadlineTimer: Scheduled<Void>?
  private var isFlushScheduled = false
  /// Called once, when the connection is gone.
  private var onClose: ((RedisError) -> Void)?

  init(onClose: @escaping (RedisError) -> Void) { self.onClose = onClose }

  func submit(
    _ batch: RedisBatch, timeout: TimeAmount, completion: @escaping (RedisReplies) -> Void
  ) {
    guard let context = self.context else {
      return completion(.failed(batch.count, .unavailable("the connection is closed")))
    }
    let request = Request(commands: batch.count, completion: completion)
    let deadline = NIODeadline.now() + timeout
    switch self.state.submit(
      request, commands: batch.count, bytes: batch.byteCount,
      deadline: deadline.uptimeNanoseconds)
    {
    case .refuse(let error):
      completion(.failed(batch.count, error))
    case .write(let isFirst):
      if isFirst { self.reader.use(request.arena) }
      context.write(self.wrapOutboundOut(batch.bytes), promise: nil)
      self.scheduleFlush(context)
      self.scheduleDeadline()
    }
  }

  func close(_ reason: RedisError) {
    guard let context = self.context else { return }
    self.fail(reason)
    context.close(promise: nil)
  }

  // MARK: ChannelInboundHandler

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    self.reader.use(self.stray)
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    self.fail(.unanswered("the connection was closed"))
    self.context = nil
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let buffer = self.unwrapInboundIn(data)
    do throws(RedisError) {
      try buffer.withUnsafeReadableBytes { (raw) throws(RedisError) in try self.reader.feed(raw) }
      while try self.reader.next() {
        switch self.state.replyReceived() {
        case .wait: break
        case .complete(let request, let commands, let next):
          self.reader.use(next?.arena ?? self.stray)
          request.completion(RedisReplies(arena: request.arena, count: commands, failure: nil))
        case .unexpected:
          return self.close(.unanswered("Redis sent a reply that nothing had asked for"))
        }
      }
    } catch {
      self.close(error)
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    self.fail(.unanswered("Redis closed the connection"))
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    self.close(.unanswered("\(error)"))
  }

  // MARK: Private

  private func fail(_ reason: RedisError) {
    let unanswered = self.state.close(reason)
    self.deadlineTimer?.cancel()
    self.deadlineTimer = nil
    for (request, commands) in unanswered {
      request.completion(RedisReplies(arena: request.arena, count: commands, failure: reason))
    }
    let onClose = self.onClose
    self.onClose = nil
    onClose?(reason)
  }

  /// What is submitted within one turn of the loop goes out in one system call.
  private func scheduleFlush(_ context: ChannelHandlerContext) {
    guard !self.isFlushScheduled else { return }
    self.isFlushScheduled = true
    context.eventLoop.assumeIsolated().execute {
      self.isFlushScheduled = false
      self.context?.flush()
    }
  }

  /// One timer for the connection rather than one per batch: it looks at the front when it fires.
  private func scheduleDeadline() {
    guard self.deadlineTimer == nil, let context = self.context,
      let deadline = self.state.nextDeadline
    else { return }
    self.deadlineTimer = context.eventLoop.assumeIsolated().scheduleTask(
      deadline: .uptimeNanoseconds(deadline)
    ) {
      self.deadlineTimer = nil
      if self.state.isOverdue(now: NIODeadline.now().uptimeNanoseconds) {
        self.close(.unanswered("no reply within the deadline"))
      } else {
        self.scheduleDeadline()
      }
    }
  }
}

extension RedisReplies {
  static func failed(_ count: Int, _ error: RedisError) -> RedisReplies {
    RedisReplies(arena: nil, count: count, failure: error)
  }
}
