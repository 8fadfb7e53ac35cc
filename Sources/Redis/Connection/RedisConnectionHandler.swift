import NIOCore
import SocketErrors

/// One connection to one server: writes batches, and sorts the replies to them.
///
/// Bound to its channel's event loop; the decisions are ``RedisConnectionStateMachine``'s.
final class RedisConnectionHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  /// A batch under way, with the destination of its replies and its completion.
  private final class Request {
    let arena: ReplyArena
    let maximumReplyBytes: Int
    let completion: (RedisReplies) -> Void
    /// Time of submission; nil for what is not timed.
    let since: NIODeadline?

    init(
      _ batch: RedisBatch, since: NIODeadline?, completion: @escaping (RedisReplies) -> Void
    ) {
      self.arena = ReplyArena(expecting: batch.count)
      self.maximumReplyBytes = batch.maximumReplyBytes
      self.since = since
      self.completion = completion
    }
  }

  private let metrics: RedisMetrics?
  private var context: ChannelHandlerContext?
  private var state = RedisConnectionStateMachine<Request>(
    maximumUnansweredBytes: RedisLimits.maximumUnansweredBytes)
  private var reader = ReplyReader()
  /// Bytes received of the incomplete reply, and their limit.
  private var unfinishedBytes = 0
  private var maximumReplyBytes = 0
  /// In use while nothing is under way, so that no arena is kept that was already handed over.
  private let stray = ReplyArena(expecting: 0)
  private var deadlineTimer: (due: UInt64, scheduled: Scheduled<Void>)?
  private var isFlushScheduled = false
  /// Called once, when the connection is gone.
  var onClose: ((ConnectionEnd) -> Void)?

  init(metrics: RedisMetrics? = nil) { self.metrics = metrics }

  func submit(
    _ batch: RedisBatch, timeout: TimeAmount, completion: @escaping (RedisReplies) -> Void
  ) {
    guard let context = self.context else {
      return completion(.failed(batch.count, .unavailable("the connection is closed")))
    }
    let now = NIODeadline.now()
    let request = Request(
      batch, since: batch.isBlocking ? nil : now, completion: completion)
    let deadline = now + timeout
    switch self.state.submit(
      request, commands: batch.count, bytes: batch.byteCount,
      deadline: deadline.uptimeNanoseconds)
    {
    case .refuse(let error):
      self.metrics?.failed(error)
      completion(.failed(batch.count, error))
    case .write(let isFirst):
      if isFirst {
        self.reader.use(request.arena)
        self.maximumReplyBytes = request.maximumReplyBytes
      }
      context.write(self.wrapOutboundOut(batch.bytes), promise: nil)
      self.scheduleFlush(context)
      self.scheduleDeadline()
    }
  }

  /// Why no batches are accepted; nil while they are.
  var closeReason: RedisError? { self.state.closeReason }

  /// Batches under way were sent, and so fail as unanswered, whatever the reason.
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
    guard self.state.isOpen else { return }
    guard self.state.awaitsReply else { return self.close(Self.unexpectedBytes) }
    let buffer = self.unwrapInboundIn(data)
    do throws(RedisError) {
      try buffer.withUnsafeReadableBytes { (raw) throws(RedisError) in try self.reader.feed(raw) }
      self.unfinishedBytes += buffer.readableBytes
      // A completion may close the connection, which hands over the arena in use: no more into it.
      while self.state.isOpen, try self.reader.next() {
        self.unfinishedBytes = self.reader.unreadBytes
        switch self.state.replyReceived() {
        case .wait: break
        case .complete(let request, let commands, let next):
          self.reader.use(next?.arena ?? self.stray)
          if let next {
            self.maximumReplyBytes = next.maximumReplyBytes
            self.scheduleDeadline()
          } else if self.unfinishedBytes > 0 {
            // Before the completion, which may submit: what is left must not answer that.
            self.close(Self.unexpectedBytes)
          }
          self.complete(request, commands: commands)
        case .unexpected:
          return self.close(Self.unexpectedBytes)
        }
      }
      if self.unfinishedBytes > self.maximumReplyBytes, self.state.isOpen {
        self.metrics?.closedOversized()
        self.close(.oversized(self.maximumReplyBytes))
      }
    } catch {
      self.close(error)
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    self.fail(.unanswered("Redis closed the connection"), byServer: true)
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    self.close(.unanswered(SocketFailure.reason(of: error)))
  }

  // MARK: Private

  private static let unexpectedBytes = RedisError.unanswered(
    "Redis sent a reply that nothing had asked for")

  private func complete(_ request: Request, commands: Int) {
    let replies = RedisReplies(arena: request.arena, count: commands, failure: nil)
    if let metrics = self.metrics, let since = request.since {
      metrics.answered(replies, nanoseconds: (NIODeadline.now() - since).nanoseconds)
    }
    request.completion(replies)
  }

  private func fail(_ reason: RedisError, byServer: Bool = false) {
    let end = ConnectionEnd(reason: reason, wasIdle: byServer && !self.state.awaitsReply)
    let unanswered = self.state.close(reason)
    let failure = reason.mayHaveBeenExecuted ? reason : .unanswered("\(reason)")
    self.deadlineTimer?.scheduled.cancel()
    self.deadlineTimer = nil
    for (request, commands) in unanswered {
      if request.since != nil { self.metrics?.failed(failure) }
      request.completion(RedisReplies(arena: request.arena, count: commands, failure: failure))
    }
    let onClose = self.onClose
    self.onClose = nil
    onClose?(end)
  }

  /// Batches submitted within one turn of the loop leave in one system call.
  private func scheduleFlush(_ context: ChannelHandlerContext) {
    guard !self.isFlushScheduled else { return }
    self.isFlushScheduled = true
    context.eventLoop.assumeIsolated().execute {
      self.isFlushScheduled = false
      self.context?.flush()
    }
  }

  /// One timer per connection instead of one per batch: it looks at the front when it fires.
  private func scheduleDeadline() {
    guard let context = self.context, let deadline = self.state.nextDeadline else { return }
    if let timer = self.deadlineTimer {
      guard deadline < timer.due else { return }
      timer.scheduled.cancel()
    }
    let scheduled = context.eventLoop.assumeIsolated().scheduleTask(
      deadline: .uptimeNanoseconds(deadline)
    ) {
      self.deadlineTimer = nil
      if self.state.isOverdue(now: NIODeadline.now().uptimeNanoseconds) {
        self.close(.unanswered("no reply within the deadline"))
      } else {
        self.scheduleDeadline()
      }
    }
    self.deadlineTimer = (deadline, scheduled)
  }
}
