import Metrics
import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import Gateway

@Suite("A connection that is not upgraded")
struct FirstRequestTests {
  private let channel: EmbeddedChannel

  init() throws {
    self.channel = EmbeddedChannel(handlers: [
      HalfCloseHandler(),
      FirstRequestHandler(
        servesDemoPage: false, metrics: GatewayMetrics(factory: NOOPMetricsHandler.instance)),
    ])
    try self.channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 0)).wait()
  }

  private func ask(_ method: HTTPMethod = .GET) throws {
    let head = HTTPRequestHead(version: .http1_1, method: method, uri: "/healthz")
    try self.channel.writeInbound(HTTPServerRequestPart.head(head))
    try self.channel.writeInbound(HTTPServerRequestPart.end(nil))
  }

  private var answers: [HTTPResponseStatus] {
    get throws {
      var answers: [HTTPResponseStatus] = []
      while let part = try self.channel.readOutbound(as: HTTPServerResponsePart.self) {
        if case .head(let head) = part { answers.append(head.status) }
      }
      return answers
    }
  }

  private func wait(milliseconds: Int64) {
    self.channel.embeddedEventLoop.advanceTime(by: .milliseconds(milliseconds))
  }

  @Test("is closed without a word when its request takes too long")
  func slow() throws {
    self.wait(milliseconds: GatewayLimits.handshakeMilliseconds - 1)
    #expect(self.channel.isActive)
    self.wait(milliseconds: 1)
    #expect(!self.channel.isActive)
    #expect(try self.answers.isEmpty)
  }

  @Test("gets one answer, and time to read that")
  func lingers() throws {
    self.wait(milliseconds: GatewayLimits.handshakeMilliseconds - 1)
    try self.ask()
    try self.ask()
    self.channel.pipeline.fireErrorCaught(HTTPParserError.invalidMethod)
    #expect(try self.answers == [.ok])
    self.wait(milliseconds: GatewayLimits.lingerMilliseconds - 1)
    #expect(self.channel.isActive)
    self.wait(milliseconds: 1)
    #expect(!self.channel.isActive)
  }

  @Test("keeps little of what comes behind a request for an upgrade that it refuses")
  func stream() throws {
    let decoder = GatewayService.requestDecoder()
    let leftOver = LeftOverBytes()
    try self.channel.pipeline.syncOperations.addHandlers([decoder, leftOver], position: .first)
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    try self.channel.writeInbound(ByteBuffer(string: request))
    #expect(try self.answers.count == 1)
    let read = ByteBuffer(repeating: 0, count: GatewayLimits.readBytes)
    for _ in 0..<16 { try self.channel.writeInbound(read) }
    #expect(self.channel.isActive)
    // It gives back what it has kept.
    self.channel.pipeline.syncOperations.removeHandler(decoder, promise: nil)
    #expect(leftOver.count == 0)
  }

  @Test("is refused when its header has more white space than the parser counts")
  func whiteSpace() throws {
    let decoder = GatewayService.requestDecoder()
    try self.channel.pipeline.syncOperations.addHandler(decoder, position: .first)
    try self.channel.writeInbound(ByteBuffer(string: "GET / HTTP/1.1\r\nX:"))
    let space = ByteBuffer(repeating: UInt8(ascii: " "), count: GatewayLimits.readBytes + 1)
    try self.channel.writeInbound(space)
    #expect(try self.answers == [.requestHeaderFieldsTooLarge])
  }

  @Test("is told why an upgrade was refused, not what its path is for")
  func refused() throws {
    self.channel.pipeline.fireErrorCaught(Refusal(.draining, "this gateway is stopping"))
    #expect(try self.answers.isEmpty)
    try self.ask()
    #expect(try self.answers == [.serviceUnavailable])
  }
}

/// Counts bytes that no decoder has taken.
private final class LeftOverBytes: ChannelInboundHandler {
  typealias InboundIn = Any

  private(set) var count = 0

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if let bytes = self.unwrapInboundIn(data) as? ByteBuffer {
      self.count += bytes.readableBytes
    } else {
      context.fireChannelRead(data)
    }
  }
}

/// Keeps the channel open when its output ends, as a socket does and an embedded channel does not.
private final class HalfCloseHandler: ChannelOutboundHandler {
  typealias OutboundIn = HTTPServerResponsePart

  func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    if mode == .all { context.close(promise: promise) } else { promise?.succeed() }
  }
}
