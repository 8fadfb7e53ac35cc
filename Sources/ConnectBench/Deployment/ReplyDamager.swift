import NIOCore
import NIOPosix
import SeededRandom
import Synchronization

/// Stands between services and their Redis, and damages its replies while it is told to: at random, by
/// a seed.
///
/// Each damage is of a kind that nothing can take for an answer: a reply that breaks off with its
/// connection, bytes of no protocol, an array of an array where no command answers one, and lengths of
/// which the bytes never come. So a service may wait, refuse, and connect again, but is told nothing
/// false, and all that goes for messages elsewhere goes here, too. What services make of answers that
/// are well-formed and false, tests in one process try (`DamagingClients`).
final class ReplyDamager: Sendable {
  struct State {
    var random: SplitMix64?
    var damaged = 0
    var connections: [ObjectIdentifier: any Channel] = [:]
  }

  private let listener: any Channel
  private let state: StateBox

  /// State shared by its handlers.
  final class StateBox: Sendable {
    let state = Mutex(State())
  }

  /// Address for services.
  var url: String { "redis://127.0.0.1:\(self.listener.localAddress?.port ?? 0)" }

  private init(_ listener: any Channel, _ state: StateBox) {
    self.listener = listener
    self.state = state
  }

  /// Listens, and passes everything on unchanged.
  static func start(before port: Int) async throws -> ReplyDamager {
    let state = StateBox()
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.autoRead, value: false)
      .childChannelInitializer { service in
        ClientBootstrap(group: service.eventLoop)
          .channelOption(.autoRead, value: false)
          .connect(host: "127.0.0.1", port: port)
          .flatMapThrowing { redis in
            try service.pipeline.syncOperations.addHandler(RelayHandler(to: redis, nil))
            try redis.pipeline.syncOperations.addHandler(RelayHandler(to: service, state))
            state.state.withLock { $0.connections[ObjectIdentifier(service)] = service }
            for channel in [service, redis] {
              channel.setOption(.autoRead, value: true).whenFailure { _ in
                channel.close(promise: nil)
              }
            }
            service.closeFuture.whenComplete { _ in
              _ = state.state.withLock {
                $0.connections.removeValue(forKey: ObjectIdentifier(service))
              }
            }
          }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    return ReplyDamager(listener, state)
  }

  func close() async {
    try? await self.listener.close().get()
    for channel in self.state.state.withLock({ Array($0.connections.values) }) {
      channel.close(promise: nil)
    }
  }

  /// Damages replies from now on.
  func start(seed: UInt64) {
    self.state.state.withLock { state in
      state.random = SplitMix64(seed: seed)
      state.damaged = 0
    }
  }

  /// Damages no more replies.
  func stop() { self.state.state.withLock { $0.random = nil } }

  /// Number of replies damaged since ``start(seed:)``.
  var damaged: Int { self.state.state.withLock { $0.damaged } }
}

extension ReplyDamager {
  enum Damage: CaseIterable {
    /// The reply is cut off, and the connection with it.
    case cut
    /// Bytes that are not RESP2 replace it.
    case noise
    /// An array in an array replaces it, which no service's command returns.
    case otherType
    /// It becomes an element of an array that never ends.
    case endlessArray
    /// It becomes a part of a string that never ends.
    case endlessString
  }

  /// One reply in this many is damaged.
  static let every = 40
}

extension ReplyDamager.StateBox {
  /// The damage to the reply that begins now; nearly always nil.
  func damage() -> ReplyDamager.Damage? {
    self.state.withLock { state in
      guard var random = state.random else { return nil }
      defer { state.random = random }
      guard Int.random(in: 0..<ReplyDamager.every, using: &random) == 0 else { return nil }
      state.damaged += 1
      return ReplyDamager.Damage.allCases.randomElement(using: &random)
    }
  }
}

/// Passes on what one end of a connection brings; replies pass a damager, if there is one.
///
/// Bound to its event loop.
private final class RelayHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let target: any Channel
  private let state: ReplyDamager.StateBox?
  private var splitter = ReplySplitter()
  private var isOmitted = false

  init(to target: any Channel, _ state: ReplyDamager.StateBox?) {
    self.target = target
    self.state = state
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = self.unwrapInboundIn(data)
    guard let state = self.state else { return self.target.write(bytes, promise: nil) }
    var out = ByteBuffer()
    while bytes.readableBytes > 0 {
      if self.splitter.isBetweenReplies {
        self.isOmitted = false
        switch state.damage() {
        case nil: break
        case .cut:
          let part = bytes.readableBytes / 2
          out.writeImmutableBuffer(bytes.getSlice(at: bytes.readerIndex, length: part) ?? bytes)
          self.target.writeAndFlush(out, promise: nil)
          self.target.close(promise: nil)
          return context.close(promise: nil)
        case .noise: out.writeString("?\u{1b}[2Jnoise\r\n")
        case .otherType:
          out.writeString("*1\r\n*1\r\n:0\r\n")
          self.isOmitted = true
        case .endlessArray: out.writeString("*2147483647\r\n")
        case .endlessString: out.writeString("$536870912\r\n")
        }
      }
      let count = bytes.withUnsafeReadableBytes { self.splitter.advance($0) }
      var part = bytes.readSlice(length: count) ?? ByteBuffer()
      if !self.isOmitted { out.writeBuffer(&part) }
    }
    self.target.write(out, promise: nil)
  }

  func channelReadComplete(context: ChannelHandlerContext) { self.target.flush() }

  func channelInactive(context: ChannelHandlerContext) {
    self.target.close(promise: nil)
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }
}

/// Finds where replies of RESP2 end, in bytes as they come.
///
/// Pure.
struct ReplySplitter {
  /// Values of the present reply still to come.
  private var valuesLeft = 0
  /// Bytes of a string still to come, including the end of its line.
  private var stringLeft = 0
  /// The incomplete line, which gives the type and length of a value.
  private var line: [UInt8] = []

  /// Whether the next byte begins a reply.
  var isBetweenReplies: Bool { self.valuesLeft == 0 && self.line.isEmpty }

  /// Goes to the end of the reply under way, or of the bytes.
  ///
  /// - Returns: how many bytes that are; at least one.
  mutating func advance(_ bytes: UnsafeRawBufferPointer) -> Int {
    if self.isBetweenReplies { self.valuesLeft = 1 }
    var position = 0
    while position < bytes.count, self.valuesLeft > 0 {
      if self.stringLeft > 0 {
        let count = min(self.stringLeft, bytes.count - position)
        self.stringLeft -= count
        position += count
        if self.stringLeft == 0 { self.valuesLeft -= 1 }
        continue
      }
      let byte = bytes[position]
      position += 1
      if byte == UInt8(ascii: "\n") { self.endLine() } else { self.line.append(byte) }
    }
    return position
  }

  private mutating func endLine() {
    let number = Int(String(decoding: self.line.dropFirst().dropLast(), as: UTF8.self)) ?? 0
    switch self.line.first {
    case UInt8(ascii: "*"): self.valuesLeft += max(number, 0) - 1
    case UInt8(ascii: "$") where number >= 0: self.stringLeft = number + 2
    default: self.valuesLeft -= 1
    }
    self.line = []
  }
}
