import ConnectProtocol
import Logging
import MessageBus
import Metrics
import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import Gateway
@testable import Redis

@Suite("A connection that is not upgraded")
struct OpeningHandlerTests {
  private let authenticator: Authenticator

  init() async { self.authenticator = await Opening.authenticator() }

  @Test("is closed without a word when its request takes too long")
  func slow() throws {
    let opening = try Opening(self.authenticator)
    opening.wait(milliseconds: GatewayLimits.handshakeMilliseconds - 1)
    #expect(opening.channel.isActive)
    opening.wait(milliseconds: 1)
    #expect(!opening.channel.isActive)
    #expect(try opening.answers.isEmpty)
  }

  @Test("gets one answer, and time to read that")
  func lingers() throws {
    let opening = try Opening(self.authenticator)
    opening.wait(milliseconds: GatewayLimits.handshakeMilliseconds - 1)
    try opening.ask()
    try opening.ask()
    opening.channel.pipeline.fireErrorCaught(HTTPParserError.invalidMethod)
    #expect(try opening.answers == ["200"])
    opening.wait(milliseconds: GatewayLimits.lingerMilliseconds - 1)
    #expect(opening.channel.isActive)
    opening.wait(milliseconds: 1)
    #expect(!opening.channel.isActive)
  }

  @Test("keeps little of what comes behind a request for an upgrade that it refuses")
  func stream() throws {
    let opening = try Opening(self.authenticator)
    try opening.ask("/", Opening.upgrade)
    #expect(try opening.answers == ["404"])
    let read = ByteBuffer(repeating: 0, count: GatewayLimits.readBytes)
    for _ in 0..<16 { try opening.channel.writeInbound(read) }
    #expect(opening.channel.isActive)
    // It gives back what it has kept.
    opening.channel.pipeline.syncOperations.removeHandler(opening.decoder, promise: nil)
    opening.channel.embeddedEventLoop.run()
    #expect(opening.leftOver.count == 0)
  }

  @Test("is refused when its header has more white space than the parser counts")
  func whiteSpace() throws {
    let opening = try Opening(self.authenticator)
    try opening.channel.writeInbound(ByteBuffer(string: "GET / HTTP/1.1\r\nX:"))
    let space = ByteBuffer(repeating: UInt8(ascii: " "), count: GatewayLimits.readBytes + 1)
    try opening.channel.writeInbound(space)
    #expect(try opening.answers == ["431"])
  }

  @Test("is told why an upgrade was refused, not what its path is for")
  func refused() throws {
    let opening = try Opening(self.authenticator)
    try opening.ask("/v1/connect", Opening.upgrade + "Authorization: Bearer t\r\n")
    #expect(try opening.answers == ["503"], "its gateway has no stream yet")
  }

  @Test("asks for no WebSocket, in none of its fields, or not as the parser of HTTP reads them")
  func asking() {
    func asks(_ protocols: [String], _ options: [String] = ["Upgrade"]) -> Bool {
      let fields = protocols.map { ("Upgrade", $0) } + options.map { ("Connection", $0) }
      return HTTPHeaders(fields).askForWebSocket
    }
    for protocols in [
      ["websocket"], ["WebSocket"], ["h2c, WebSocket", "x"], ["h2c", "websocket"],
    ] {
      #expect(asks(protocols))
    }
    #expect(asks(Array(repeating: "websocket", count: 50)))
    for protocols in [[], ["h2c"], ["h2c, h3", "x"], ["websocket/13"], ["web", "socket"], [""]] {
      #expect(!asks(protocols))
    }
    for option in ["upgrade", "keep-alive, UPGRADE", " upgrade ,x"] {
      #expect(asks(["websocket"], [option]))
    }
    for option in ["", "close", "Upgrade\t", "\tUpgrade", "Upgrade\t, x", "x, Upgrade \t"] {
      #expect(!asks(["websocket"], [option]))
    }
    #expect(!asks(["websocket"], []))
    #expect(!asks(["websocket"], ["Upgrade", "x\t"]))
  }
}

@Suite("A connection that is upgraded")
struct UpgradeTests {
  private let authenticator: Authenticator
  private let token: String

  init() async throws {
    self.authenticator = await Opening.authenticator()
    self.token = try await self.authenticator.token(for: UserName("bob")!, seconds: 60)
  }

  private func opening() throws -> Opening {
    let opening = try Opening(self.authenticator, swallowsLeftOver: false)
    opening.readiness.streamExists()
    return opening
  }

  private var fields: String { Opening.upgrade + "Authorization: Bearer \(self.token)\r\n" }

  @Test("is told so, and has a handler of frames alone, which gets what came behind the request")
  func upgraded() throws {
    let opening = try self.opening()
    let frame: [UInt8] = [0x81, 0x80, 0, 0, 0, 0]
    try opening.ask("/v1/connect", self.fields, behind: frame)
    opening.channel.embeddedEventLoop.run()
    let answer = try #require(try opening.channel.readOutbound(as: ByteBuffer.self))
    #expect(
      String(buffer: answer) == """
        HTTP/1.1 101 Switching Protocols\r
        Upgrade: websocket\r
        Connection: upgrade\r
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r
        \r

        """)
    let pipeline = opening.channel.pipeline.syncOperations
    #expect(throws: (any Error).self) { try pipeline.handler(type: OpeningHandler.self) }
    #expect(throws: (any Error).self) {
      try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
    }
    let connection = try pipeline.handler(type: ConnectionHandler.self)
    #expect(connection.user == UserName("bob"))
    #expect(connection.active.decoder.isEmpty == false)
    #expect(opening.loop.clock.count == 1)
    opening.wait(milliseconds: 2 * GatewayLimits.handshakeMilliseconds)
    #expect(opening.channel.isActive)
  }

  @Test("is registered by nobody if its end came right behind the request")
  func ended() throws {
    let opening = try self.opening()
    try opening.ask("/v1/connect", self.fields)
    opening.channel.pipeline.close(promise: nil)
    opening.channel.embeddedEventLoop.run()
    #expect(opening.loop.clock.count == 0)
    #expect(opening.loop.registrationsUnderWay == 0)
  }

  @Test("is told nothing before its request has come whole")
  func body() throws {
    let opening = try self.opening()
    try opening.ask("/v1/connect", self.fields + "Content-Length: 2\r\n")
    opening.channel.embeddedEventLoop.run()
    #expect(try opening.answers == [])
    try opening.channel.writeInbound(ByteBuffer(string: "ab"))
    opening.channel.embeddedEventLoop.run()
    #expect(try opening.answers == ["101"])
  }
}

/// A connection of a gateway, before its upgrade.
private struct Opening {
  static let upgrade = """
    Connection: Upgrade\r
    Upgrade: websocket\r
    Sec-WebSocket-Version: 13\r
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r

    """

  let channel = EmbeddedChannel()
  let readiness = Readiness()
  let loop: GatewayLoop
  let decoder = GatewayService.requestDecoder()
  let leftOver = LeftOverBytes()

  static func authenticator() async -> Authenticator {
    let secret = [UInt8](repeating: 7, count: Authenticator.minimumSecretBytes)
    return await Authenticator(secret: secret)
  }

  /// - Parameter swallowsLeftOver: whether what the decoder gives back is counted, and goes nowhere.
  init(_ authenticator: Authenticator, swallowsLeftOver: Bool = true) throws {
    self.loop = UnconnectedLoop.make(on: self.channel.embeddedEventLoop, self.readiness)
    let handler = OpeningHandler(
      loop: self.loop, authenticator: authenticator, decoder: self.decoder)
    let counter: [any ChannelHandler] = swallowsLeftOver ? [self.leftOver] : []
    try self.channel.pipeline.syncOperations.addHandlers(
      [HalfCloseHandler(), self.decoder] + counter + [handler])
    try self.channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 0)).wait()
  }

  func ask(
    _ target: String = "/healthz", _ fields: String = "", behind bytes: [UInt8] = []
  ) throws {
    var request = ByteBuffer(string: "GET \(target) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n")
    request.writeBytes(bytes)
    try self.channel.writeInbound(request)
  }

  /// The statuses of the answers.
  var answers: [String] {
    get throws {
      var text = ""
      while let bytes = try self.channel.readOutbound(as: ByteBuffer.self) {
        text += String(buffer: bytes)
      }
      return text.split(separator: "HTTP/1.1 ").map { String($0.prefix(3)) }
    }
  }

  func wait(milliseconds: Int64) {
    self.channel.embeddedEventLoop.advanceTime(by: .milliseconds(milliseconds))
  }
}

/// A gateway's loop without a listener, whose Redis never answers.
private enum UnconnectedLoop {
  private struct Clients: RedisClientFactory {
    func makeClient(on eventLoop: any EventLoop) -> any RedisClient {
      guard let loop = eventLoop as? EmbeddedEventLoop,
        let client = try? ChannelClient(on: EmbeddedChannel(handlers: [], loop: loop))
      else { preconditionFailure("a client of an embedded loop") }
      return client
    }
  }

  static func make(on eventLoop: EmbeddedEventLoop, _ readiness: Readiness) -> GatewayLoop {
    let keys = Keys(partitions: PartitionMap())
    return GatewayLoop(
      eventLoop: eventLoop,
      configuration: GatewayConfiguration(
        host: "127.0.0.1", port: 0, id: InstanceID("loop")!, keys: keys),
      directory: ConnectionDirectory(), readiness: readiness, backlog: Backlog(keys: keys),
      busClock: BusClock(), presence: nil, clients: Clients(),
      metrics: GatewayMetrics(factory: NOOPMetricsHandler.instance), logger: .silent)
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
  typealias OutboundIn = ByteBuffer

  func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    if mode == .all { context.close(promise: promise) } else { promise?.succeed() }
  }
}
