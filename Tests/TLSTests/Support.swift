import LocalCluster
import LocalRedis
import NIOCore
import NIOPosix
import SeededRandom
import Synchronization
import TestSupport

@testable import TLS

extension LocalCertificates {
  /// Trusts the authority, without a certificate of its own.
  var trusting: TLSConfiguration { TLSConfiguration(trust: .file(caFile)) }

  /// The same with a client certificate.
  var identified: TLSConfiguration {
    TLSConfiguration(
      trust: .file(caFile), certificateFile: clientCertificateFile, keyFile: clientKeyFile)
  }
}

/// With a redis-server that speaks TLS, for as long as the body runs.
func withRedis<R>(
  certificate: LocalCertificates.ServerCertificate = .valid, clients: TLSFiles.Clients = .none,
  protocols: String = "TLSv1.2 TLSv1.3", extra: [String] = [],
  _ body: (LocalRedisServer) async throws -> R
) async throws -> R {
  try await RedisFixture.withServer(
    tls: try LocalCertificates.shared.serverFiles(certificate, clients: clients),
    extraArguments: ["--tls-protocols", protocols] + extra, body)
}

/// The bytes that one connection has received, and its end.
final class Recorder: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer

  struct State {
    var bytes: [UInt8] = []
    /// `error` and `inactive`, in order.
    var events: [String] = []
    var errors: [TLSError] = []
    var otherErrors = 0
    var isInactive = false
    fileprivate var waiters:
      [(until: @Sendable (State) -> Bool, CheckedContinuation<Void, Never>)] =
        []

    var text: String { String(decoding: bytes, as: UTF8.self) }
  }

  private let state = Mutex(State())

  var now: State { state.withLock(\.self) }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let buffer = unwrapInboundIn(data)
    change { $0.bytes.append(contentsOf: buffer.readableBytesView) }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    change {
      if let error = error as? TLSError {
        $0.errors.append(error)
        $0.events.append("error")
      } else {
        $0.otherErrors += 1
      }
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    change {
      $0.events.append("inactive")
      $0.isInactive = true
    }
  }

  /// Waits until something holds, or the connection is gone.
  @discardableResult
  func wait(until: @escaping @Sendable (State) -> Bool) async -> State {
    await withCheckedContinuation { continuation in
      let isDone = state.withLock { state in
        if until(state) || state.isInactive { return true }
        state.waiters.append((until, continuation))
        return false
      }
      if isDone { continuation.resume() }
    }
    return now
  }

  private func change(_ body: (inout State) -> Void) {
    let done = state.withLock { state in
      body(&state)
      let waiters = state.waiters
      let isDone = waiters.map { $0.until(state) || state.isInactive }
      state.waiters = zip(waiters, isDone).filter { !$0.1 }.map(\.0)
      return zip(waiters, isDone).filter(\.1).map(\.0)
    }
    for waiter in done { waiter.1.resume() }
  }
}

/// The wire below TLS: keeps what passed, and may change what comes.
final class Wire: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private(set) var received: [UInt8] = []
  private(set) var sent: [UInt8] = []
  private(set) var reads = 0
  private let change: (ByteBuffer) -> [ByteBuffer]
  private var context: ChannelHandlerContext?

  init(change: @escaping (ByteBuffer) -> [ByteBuffer] = { [$0] }) { self.change = change }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func read(context: ChannelHandlerContext) {
    reads += 1
    context.read()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let buffer = unwrapInboundIn(data)
    received.append(contentsOf: buffer.readableBytesView)
    for piece in change(buffer) { context.fireChannelRead(wrapInboundOut(piece)) }
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    sent.append(contentsOf: unwrapOutboundIn(data).readableBytesView)
    context.write(data, promise: promise)
  }

  /// Closes below TLS, which therefore cannot say farewell.
  func cut() { context?.close(promise: nil) }
}

/// One connection to a server, through a ``Wire``.
struct Client: Sendable {
  let channel: any Channel
  let recorder: Recorder
  private let parts: NIOLoopBound<(TLSClientHandler, Wire)>
  /// Succeeds or fails as the handshake does.
  let ready: EventLoopFuture<Void>

  static func connect(
    to port: Int, host: String = "localhost", _ context: TLSContext, autoRead: Bool = true,
    change: @escaping @Sendable (ByteBuffer) -> [ByteBuffer] = { [$0] }
  ) async throws -> Client {
    let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
    let recorder = Recorder()
    let ready = eventLoop.makePromise(of: Void.self)
    let keep = Keep()
    let channel = try await ClientBootstrap(group: eventLoop)
      .channelOption(.autoRead, value: autoRead)
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let wire = Wire(change: change)
          let handler = TLSClientHandler(context: context, host: host, port: port, ready: ready)
          try channel.pipeline.syncOperations.addHandlers(wire, handler, recorder)
          keep.parts.withLock {
            $0 = NIOLoopBound((handler, wire), eventLoop: channel.eventLoop)
          }
        }
      }
      .connect(host: "127.0.0.1", port: port).get()
    // So that a test which waits in vain ends, and says what is missing.
    let deadline = channel.eventLoop.scheduleTask(in: .seconds(240)) { channel.close(promise: nil) }
    channel.closeFuture.whenComplete { _ in deadline.cancel() }
    return Client(
      channel: channel, recorder: recorder, parts: keep.parts.withLock { $0! },
      ready: ready.futureResult)
  }

  /// Connects and waits for the handshake.
  static func open(
    to port: Int, host: String = "localhost", _ context: TLSContext, autoRead: Bool = true,
    change: @escaping @Sendable (ByteBuffer) -> [ByteBuffer] = { [$0] }
  ) async throws -> Client {
    let client = try await connect(
      to: port, host: host, context, autoRead: autoRead, change: change)
    try await client.ready.get()
    return client
  }

  /// The failure of the handshake, or nil.
  static func failure(
    to port: Int, host: String = "localhost", _ configuration: TLSConfiguration
  ) async throws -> TLSFailure? {
    let client = try await connect(to: port, host: host, TLSContext(configuration))
    do {
      try await client.ready.get()
      try await client.channel.close()
      return nil
    } catch let TLSError.connection(_, failure) {
      return failure
    }
  }

  func send(_ text: String) async throws {
    try await channel.writeAndFlush(ByteBuffer(string: text))
  }

  /// Sends a command and waits for an answer that ends with `suffix`.
  func ask(_ command: String, until suffix: String = "\r\n") async throws -> String {
    let start = recorder.now.bytes.count
    try await send(command + "\r\n")
    let state = await recorder.wait {
      $0.bytes.count > start && $0.text.hasSuffix(suffix)
    }
    return String(decoding: state.bytes[start...], as: UTF8.self)
  }

  func inLoop<R: Sendable>(
    _ body: @escaping @Sendable (TLSClientHandler, Wire) -> R
  ) async throws -> R {
    try await channel.eventLoop.submit {
      let (handler, wire) = parts.value
      return body(handler, wire)
    }.get()
  }

  var isResumed: Bool {
    get async throws { try await inLoop { handler, _ in handler.isResumed } }
  }

  private final class Keep: Sendable {
    let parts = Mutex<NIOLoopBound<(TLSClientHandler, Wire)>?>(nil)
  }
}

/// A generator for closures that run on another thread.
final class Shared: Sendable {
  private let generator: Mutex<SplitMix64>

  init(seed: UInt64) { self.generator = Mutex(SplitMix64(seed: seed)) }

  func random(_ range: ClosedRange<Int>) -> Int {
    generator.withLock { Int.random(in: range, using: &$0) }
  }
}

/// Observations of another thread.
final class Flag: Sendable {
  private let flag = Mutex(false)
  var isRaised: Bool { flag.withLock(\.self) }
  func raise() { flag.withLock { $0 = true } }
}
