import DequeModule
import NIOCore
import TestSupport
import WebSocket

/// Events that a client has received and not yet looked at.
struct Received: Sendable {
  /// Bytes that are not frames, or not yet.
  var bytes = ByteBuffer()
  /// Turns bytes into frames, from the upgrade on.
  var decoder: WebSocketDecoder?
  /// Whole messages and control frames.
  var events = Deque<WebSocketDecoder.Event>()
  /// The fault of the server's frames.
  var violation: String?
  /// The server's close has come, and nothing may come after it.
  var hasClosed = false
  /// The server has closed the TCP connection, or it broke.
  var hasEnded = false
  /// The last frames, for failures to quote.
  var quotes: [String] = []
}

/// Keeps what arrives on a channel until a test asks for it.
///
/// On the channel's event loop only.
final class Inbox: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let eventLoop: any EventLoop
  private var received = Received()
  private var waiters: [Int: () -> Bool] = [:]
  private var lastWaiter = 0
  private var context: ChannelHandlerContext?
  /// Whether pings are answered as they come; else they are events.
  var answersPings = true
  /// Whether a close is answered as it comes. It is an event in any case.
  var answersClose = true
  /// Whether a close was sent, so that nothing may follow (RFC 6455 §5.5.1).
  var hasSentClose = false

  init(eventLoop: any EventLoop) { self.eventLoop = eventLoop }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }
  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = self.unwrapInboundIn(data)
    if self.received.decoder == nil {
      self.received.bytes.writeBuffer(&bytes)
    } else if self.received.hasClosed {
      self.received.violation = "\(bytes.readableBytes) bytes came after its close"
    } else {
      self.received.decoder?.append(bytes)
      self.decode()
    }
    self.wakeWaiters()
  }

  func channelInactive(context: ChannelHandlerContext) {
    self.received.hasEnded = true
    self.wakeWaiters()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // A reset is an end like any other.
    context.close(promise: nil)
  }

  /// From here on, frames come. What has come already is the first of them.
  func startFrames() {
    // Far above any limit of a server, so that no test is cut off by its own client.
    var decoder = WebSocketDecoder(role: .client, maximumMessageBytes: 16 * 1024 * 1024)
    decoder.append(self.received.bytes)
    self.received.bytes = ByteBuffer()
    self.received.decoder = decoder
    self.decode()
  }

  private func decode() {
    do throws(WebSocketError) {
      while true {
        let buffered = self.received.decoder?.bufferedBytes ?? 0
        guard let event = try self.received.decoder?.next() else { return }
        if case .close(let code, let reason) = event {
          self.closed(left: buffered - 2 - (code == nil ? 0 : 2) - reason.readableBytes)
        }
        self.take(event)
      }
    } catch {
      self.received.violation = "\(error)"
    }
  }

  /// The decoder discards what is behind a close; here that is what a test looks for.
  private func closed(left: Int) {
    self.received.hasClosed = true
    if left > 0 { self.received.violation = "\(left) bytes came after its close" }
  }

  private func take(_ event: WebSocketDecoder.Event) {
    self.received.quotes.append(Self.quote(event))
    if self.received.quotes.count > TestLimits.quotedFrames { self.received.quotes.removeFirst() }
    switch event {
    case .ping(let payload) where self.answersPings:
      if !self.hasSentClose { self.answer(.pong, payload) }
      return
    case .close(let code, _) where self.answersClose && !self.hasSentClose:
      self.answer(.close, code.map { ByteBuffer(integer: $0) } ?? ByteBuffer())
    case .ping, .close, .text, .binary, .pong:
      break
    }
    self.received.events.append(event)
  }

  private func answer(_ opcode: WebSocketOpcode, _ payload: ByteBuffer) {
    var frame = ByteBuffer()
    frame.writeWebSocketFrame(opcode, maskKey: .random(in: 0 ... .max)) {
      $0.writeImmutableBuffer(payload)
    }
    self.context?.writeAndFlush(self.wrapOutboundOut(frame), promise: nil)
  }

  private static func quote(_ event: WebSocketDecoder.Event) -> String {
    switch event {
    case .text(let payload): String(decoding: payload.readableBytesView.prefix(200), as: UTF8.self)
    case .binary(let payload): "binary of \(payload.readableBytes) bytes"
    case .ping: "ping"
    case .pong: "pong"
    case .close(let code, let reason): "close \(code ?? 0) \(String(buffer: reason))"
    }
  }

  // MARK: Waiting

  /// Tries now, and again whenever something arrives.
  ///
  /// - Parameters:
  ///   - what: completes the sentence "there was no …".
  ///   - attempt: takes what it wants; nil if that is not there yet.
  func wait<Value: Sendable>(
    for what: String, within wait: Duration,
    _ attempt: @escaping (inout Received) throws -> Value?
  ) -> EventLoopFuture<Value> {
    let promise = self.eventLoop.makePromise(of: Value.self)
    let tryNow: () -> Bool = {
      do {
        guard let value = try attempt(&self.received) else { return false }
        promise.succeed(value)
      } catch {
        promise.fail(error)
      }
      return true
    }
    if tryNow() { return promise.futureResult }
    self.lastWaiter += 1
    let number = self.lastWaiter
    self.waiters[number] = tryNow
    let timeout = self.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(wait)) {
      guard self.waiters.removeValue(forKey: number) != nil else { return }
      promise.fail(TestFailure("there was no \(what) within \(wait); \(self.situation)"))
    }
    promise.futureResult.assumeIsolated().whenComplete { _ in timeout.cancel() }
    return promise.futureResult
  }

  private func wakeWaiters() {
    for (number, tryNow) in self.waiters where tryNow() { self.waiters[number] = nil }
  }

  /// The events so far, for failures.
  var situation: String { self.received.situation }
}

extension Received {
  var situation: String {
    let end = self.hasEnded ? "the connection has ended" : "the connection is open"
    let violation = self.violation.map { "; the server broke RFC 6455: \($0)" } ?? ""
    let quotes = self.quotes.isEmpty ? "nothing" : self.quotes.joined(separator: " | ")
    return "\(end)\(violation); the last frames were: \(quotes)"
  }
}
