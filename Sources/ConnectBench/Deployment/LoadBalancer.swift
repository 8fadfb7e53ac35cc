import ConnectClient
import NIOCore
import NIOPosix
import Synchronization

/// Stands for the load balancer before the gateways: passes each connection on to one of them, and
/// can do to connections what networks do.
package final class LoadBalancer: Sendable {
  fileprivate struct State {
    var connections: [Int: Connection] = [:]
    var next = 0
  }

  /// The two halves of a proxied connection, both on one event loop.
  fileprivate struct Connection: Sendable {
    let client: any Channel
    let gateway: any Channel
    let clientHandler: NIOLoopBound<PassingHandler>
    let gatewayHandler: NIOLoopBound<PassingHandler>
  }

  private let listener: any Channel
  private let state: Mutex<State>
  /// Port of the listener, on 127.0.0.1.
  package let port: Int

  private init(listener: any Channel) {
    self.listener = listener
    self.state = Mutex(State())
    self.port = listener.localAddress?.port ?? 0
  }

  /// Listens, runs `body`, and cuts everything.
  ///
  /// - Parameter gateways: the ports of the gateways there are at a time. One that refuses is passed
  ///   over.
  package static func with<Result>(
    gateways: @escaping @Sendable () -> [Int], _ body: (LoadBalancer) async throws -> Result
  ) async throws -> Result {
    let box = Mutex<LoadBalancer?>(nil)
    let accept: @Sendable (any Channel) -> EventLoopFuture<Void> = { client in
      guard let balancer = box.withLock({ $0 }) else { return client.close() }
      balancer.pass(client, on: gateways().shuffled()[...])
      return client.eventLoop.makeSucceededVoidFuture()
    }
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.autoRead, value: false)
      .childChannelInitializer(accept)
      .bind(host: "127.0.0.1", port: 0).get()
    let balancer = LoadBalancer(listener: listener)
    box.withLock { $0 = balancer }
    do {
      let result = try await body(balancer)
      await balancer.close()
      box.withLock { $0 = nil }
      return result
    } catch {
      await balancer.close()
      box.withLock { $0 = nil }
      throw error
    }
  }

  package var endpoint: ConnectEndpoint { ConnectEndpoint(host: "127.0.0.1", port: self.port) }

  /// Number of proxied connections, including those of which one end was not told of the cut.
  var connections: Int { self.state.withLock(\.connections.count) }

  private func close() async {
    try? await self.listener.close().get()
    for connection in self.state.withLock({ Array($0.connections.values) }) {
      connection.client.close(promise: nil)
      connection.gateway.close(promise: nil)
    }
  }

  private func pass(_ client: any Channel, on ports: ArraySlice<Int>) {
    guard let port = ports.first else { return client.close(promise: nil) }
    ClientBootstrap(group: client.eventLoop)
      .connectTimeout(.milliseconds(FaultLimits.balancerConnectMilliseconds))
      .channelOption(.autoRead, value: false)
      .connect(host: "127.0.0.1", port: port)
      .whenComplete { result in
        switch result {
        case .success(let gateway): self.join(client, gateway)
        case .failure: self.pass(client, on: ports.dropFirst())
        }
      }
  }

  private func join(_ client: any Channel, _ gateway: any Channel) {
    let number = self.state.withLock { state in
      state.next += 1
      return state.next
    }
    let forget: @Sendable () -> Void = { [weak self] in
      _ = self?.state.withLock { $0.connections.removeValue(forKey: number) }
    }
    let clientHandler = PassingHandler(to: gateway, onBothEnds: forget)
    let gatewayHandler = PassingHandler(to: client, onBothEnds: forget)
    clientHandler.other = gatewayHandler
    gatewayHandler.other = clientHandler
    do {
      try client.pipeline.syncOperations.addHandler(clientHandler)
      try gateway.pipeline.syncOperations.addHandler(gatewayHandler)
    } catch {
      // One of them has ended meanwhile.
      client.close(promise: nil)
      gateway.close(promise: nil)
      return
    }
    let connection = Connection(
      client: client, gateway: gateway,
      clientHandler: NIOLoopBound(clientHandler, eventLoop: client.eventLoop),
      gatewayHandler: NIOLoopBound(gatewayHandler, eventLoop: client.eventLoop))
    self.state.withLock { $0.connections[number] = connection }
    for channel in [client, gateway] {
      channel.setOption(.autoRead, value: true).whenFailure { _ in channel.close(promise: nil) }
    }
  }

  /// Faults of a connection.
  package enum Mishap: Sendable, CaseIterable {
    /// Nothing passes either way, and neither end is told.
    case silence
    /// The client is cut off; the gateway is not told.
    case halfOpen
    /// Both ends are cut off.
    case cut
  }

  /// Does something to some of the connections that are passed on.
  ///
  /// - Returns: to how many.
  @discardableResult
  package func strike(
    _ mishap: Mishap, count: Int, using random: inout some RandomNumberGenerator
  ) -> Int {
    let sorted = self.state.withLock { $0.connections.sorted { $0.key < $1.key } }
    let struck = sorted.map(\.value).shuffled(using: &random).prefix(count)
    for connection in struck {
      connection.client.eventLoop.execute {
        switch mishap {
        case .silence:
          connection.clientHandler.value.silence()
        case .halfOpen:
          connection.clientHandler.value.silence()
          connection.client.close(promise: nil)
        case .cut:
          connection.client.close(promise: nil)
        }
      }
    }
    return struck.count
  }
}

/// Passes on what one half of a connection brings.
///
/// Bound to its event loop.
private final class PassingHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let target: any Channel
  private let onBothEnds: () -> Void
  var other: PassingHandler?
  private var isSilent = false
  private var hasEnded = false

  init(to target: any Channel, onBothEnds: @escaping () -> Void) {
    self.target = target
    self.onBothEnds = onBothEnds
  }

  /// Lets nothing pass either way from now on, not even an end.
  func silence() {
    self.isSilent = true
    self.other?.isSilent = true
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !self.isSilent else { return }
    self.target.write(self.unwrapInboundIn(data), promise: nil)
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    if !self.isSilent { self.target.flush() }
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    // A half that is not read from is not told to end either, but then nobody waits for that.
    let isWritable = context.channel.isWritable || self.isSilent
    self.target.setOption(.autoRead, value: isWritable).whenFailure { _ in }
    context.fireChannelWritabilityChanged()
  }

  func channelInactive(context: ChannelHandlerContext) {
    self.hasEnded = true
    if !self.isSilent { self.target.close(promise: nil) }
    if self.other?.hasEnded ?? true {
      self.other?.other = nil
      self.other = nil
      self.onBothEnds()
    }
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }
}
