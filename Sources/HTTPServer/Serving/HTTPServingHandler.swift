import DequeModule
import NIOCore
import NIOHTTP1

/// Serves the requests of one connection, one after the other: the next is looked at when the
/// answer to the one before lies in the socket. So however much a client sends ahead, and however
/// slowly it reads, no more than one answer is kept for it.
final class HTTPServingHandler: ChannelDuplexHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundIn = Never
  typealias OutboundOut = HTTPServerResponsePart

  private let limits: HTTPServingLimits
  private let serving: any HTTPServing
  private let isRefused: Bool
  private var machine: HTTPServingStateMachine
  private var head: HTTPRequestHead?
  private var body = ByteBuffer()
  private var refusal: PlainHTTPResponse?
  /// Time at which the head of the request was complete or, without one, its first byte came.
  private var began = NIODeadline.now()
  /// Input after a request that is not answered yet: at most one read of the socket.
  private var waiting: Deque<Result<HTTPServerRequestPart, HTTPFault>> = []
  private var isReadWanted = false
  /// Distinguishes the deadline of one state from that of another.
  private var deadline: (state: DeadlineKind, task: Scheduled<Void>)?
  /// Distinguishes an answer that comes too late from that of the next request.
  private var exchange = 0
  private var context: ChannelHandlerContext?

  /// - Parameter isRefused: Whether there is no room for this connection.
  init(limits: HTTPServingLimits, serving: any HTTPServing, isRefused: Bool) {
    self.limits = limits
    self.serving = serving
    self.isRefused = isRefused
    self.machine = HTTPServingStateMachine(bodyBytes: limits.bodyBytes)
  }

  // MARK: The channel

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func channelActive(context: ChannelHandlerContext) {
    if self.isRefused { self.perform(self.machine.refuseConnection()) }
    self.updateDeadline()
    context.fireChannelActive()
  }

  func channelInactive(context: ChannelHandlerContext) {
    self.machine.disconnected()
    self.waiting.removeAll()
    self.updateDeadline()
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    self.machine.disconnected()
    self.updateDeadline()
    self.context = nil
  }

  func read(context: ChannelHandlerContext) {
    if self.machine.isReading {
      context.read()
    } else {
      self.isReadWanted = true
    }
  }

  /// Called when bytes came, before they are parsed.
  func heard() {
    self.noteFirst()
    self.machine.heard()
    self.updateDeadline()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    self.come(.success(self.unwrapInboundIn(data)))
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if let fault = HTTPFault(parsing: error) {
      self.come(.failure(fault))
    } else if !(error is ByteToMessageDecoderError) {
      // What comes behind an error of the parser is dropped. Anything else is the socket's, or the client
      // went in the middle of a request.
      context.close(promise: nil)
    }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard event is ChannelShouldQuiesceEvent else {
      return context.fireUserInboundEventTriggered(event)
    }
    self.perform(self.machine.stop())
    self.updateDeadline()
  }

  // MARK: Requests

  private func come(_ part: Result<HTTPServerRequestPart, HTTPFault>) {
    if self.machine.isReading, self.waiting.isEmpty {
      self.take(part)
    } else {
      self.waiting.append(part)
    }
    self.updateDeadline()
  }

  /// Also called for a pipelined request, whose bytes came long ago.
  private func noteFirst() {
    if self.machine.state == .idle { self.began = .now() }
  }

  private func take(_ part: Result<HTTPServerRequestPart, HTTPFault>) {
    self.noteFirst()
    switch part {
    case .success(.head(let head)):
      self.takeHead(head)
    case .success(.body(var bytes)):
      let action = self.machine.bodyCame(bytes.readableBytes)
      if case .collecting = self.machine.state { self.body.writeBuffer(&bytes) }
      self.perform(action)
    case .success(.end):
      self.perform(self.machine.endCame())
    case .failure(let fault):
      self.perform(self.machine.failed(fault))
    }
  }

  private func takeHead(_ head: HTTPRequestHead) {
    var head = head
    head.headers.stripOptionalWhitespace()
    self.began = .now()
    self.head = head
    self.body = ByteBuffer()
    self.refusal = nil
    var summary = HTTPServingStateMachine.Head(head)
    // First of all: who may not ask is told nothing else.
    self.refusal = self.serving.refusal(of: head)
    if self.refusal == nil, !head.expectations.allSatisfy({ $0.lowercased() == "100-continue" }) {
      self.refusal = self.serving.answer(to: .unknownExpectation)
    }
    summary.isRefused = self.refusal != nil
    if !self.limits.keepsConnections { summary.isLast = true }
    self.perform(self.machine.headCame(summary))
  }

  private func perform(_ action: HTTPServingStateMachine.Action) {
    switch action {
    case .none:
      break
    case .sendContinue:
      self.context?.writeAndFlush(
        self.wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .continue))),
        promise: nil)
    case .answer:
      self.findAnswer()
    case .refuse:
      if let refusal = self.refusal { self.write(refusal) }
    case .fault(let fault):
      self.write(self.serving.answer(to: fault))
    case .finish:
      self.context?.close(mode: .output, promise: nil)
      // Dropped from here on; and read, so that the client's end is seen.
      self.waiting.removeAll()
    case .close:
      self.context?.close(promise: nil)
    }
  }

  private func findAnswer() {
    guard let context = self.context, let head = self.head else { return }
    self.exchange += 1
    let exchange = self.exchange
    let body = self.body
    self.body = ByteBuffer()
    let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
    self.serving.answer(to: head, body: body, on: context.eventLoop).hop(to: context.eventLoop)
      .whenComplete { result in
        let handler = bound.value
        guard handler.exchange == exchange, handler.machine.found() else { return }
        let response = (try? result.get()) ?? handler.serving.answer(to: .unanswered)
        handler.write(response)
        handler.updateDeadline()
      }
  }

  // MARK: Answers

  private func write(_ response: PlainHTTPResponse) {
    guard let context = self.context else { return }
    self.serving.answered(response, after: .now() - self.began)
    let method = self.head?.method
    self.head = nil
    var headers = HTTPHeaders(response.headers)
    headers.add(name: "x-content-type-options", value: "nosniff")
    if response.status.mayHaveResponseBody {
      headers.add(name: "content-type", value: response.contentType)
      headers.add(name: "content-length", value: "\(response.body.readableBytes)")
    }
    if self.machine.endsConnection { headers.add(name: "connection", value: "close") }
    context.write(
      self.wrapOutboundOut(
        .head(HTTPResponseHead(version: .http1_1, status: response.status, headers: headers))),
      promise: nil)
    if method != .HEAD, response.status.mayHaveResponseBody {
      context.write(self.wrapOutboundOut(.body(.byteBuffer(response.body))), promise: nil)
    }
    let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
    context.writeAndFlush(self.wrapOutboundOut(.end(nil))).whenSuccess {
      // In a turn of its own: else each request that was sent ahead would go deeper into the stack.
      bound.eventLoop.execute { bound.value.written() }
    }
  }

  private func written() {
    self.perform(self.machine.written())
    // Before the next answer, so that it has a time of its own.
    self.updateDeadline()
    while self.machine.isReading, let part = self.waiting.popFirst() {
      self.take(part)
    }
    self.updateDeadline()
    if self.isReadWanted, self.machine.isReading {
      self.isReadWanted = false
      self.context?.read()
    }
  }

  // MARK: Deadlines

  private enum DeadlineKind: Hashable {
    case idle, head, body, answer, write, linger
  }

  /// One deadline at a time, that of the present state.
  private func updateDeadline() {
    let next: (kind: DeadlineKind, milliseconds: Int64)? =
      switch self.machine.state {
      case .idle: (.idle, self.limits.idleMilliseconds)
      case .head: (.head, self.limits.headMilliseconds)
      case .collecting, .discarding: (.body, self.limits.bodyMilliseconds)
      case .answering: (.answer, self.limits.answerMilliseconds)
      case .writing: (.write, self.limits.writeMilliseconds)
      case .lingering: (.linger, self.limits.lingerMilliseconds)
      case .closed: nil
      }
    guard self.deadline?.state != next?.kind else { return }
    self.deadline?.task.cancel()
    self.deadline = nil
    guard let next, let context = self.context else { return }
    let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
    let task = context.eventLoop.scheduleTask(in: .milliseconds(next.milliseconds)) {
      let handler = bound.value
      handler.deadline = nil
      handler.perform(handler.machine.timePassed())
      handler.updateDeadline()
    }
    self.deadline = (next.kind, task)
  }
}

extension HTTPServingStateMachine.Head {
  init(_ head: HTTPRequestHead) {
    self.bodyBytes = head.headers.first(name: "content-length").flatMap { Int($0) }
    self.hasBody = (self.bodyBytes ?? 0) > 0 || head.headers.contains(name: "transfer-encoding")
    self.expectsContinue = !head.expectations.isEmpty && head.version == .http1_1
    // HTTP/1.0 would have to be told that a connection stays. And NIO's parser reads nothing behind
    // a request to upgrade.
    self.isLast =
      !head.isKeepAlive || head.version != .http1_1 || head.method == .CONNECT
      || head.headers.contains(name: "upgrade")
  }
}

extension HTTPRequestHead {
  /// The members of all `Expect` fields; one without any is none that is met.
  fileprivate var expectations: [String] {
    let members = self.headers[canonicalForm: "expect"].map(String.init)
    return members.isEmpty && self.headers.contains(name: "expect") ? [""] : members
  }
}

extension HTTPResponseStatus {
  /// RFC 9110, sections 15.2 and 15.3.5.
  fileprivate var mayHaveResponseBody: Bool {
    self.code >= 200 && self.code != 204 && self.code != 304
  }
}
