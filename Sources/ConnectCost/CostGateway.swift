import ConnectProtocol
import Gateway
import Logging
import MessageBus
import NIOCore
import NIOEmbedded

/// A gateway whose sockets are channels without a network, one for each user.
final class CostGateway {
  let connections: CostConnections
  let gateway: BareGateway
  private let sockets: [EmbeddedChannel]
  private var operations = 0

  static let configuration: GatewayConfiguration = {
    var configuration = GatewayConfiguration(
      host: "127.0.0.1", port: 0, id: InstanceID("gateway-1")!,
      keys: Keys(partitions: PartitionMap()))
    configuration.sendsPerSecond = CostLimits.sendsPerSecond
    configuration.pingSeconds = CostLimits.pingSeconds
    return configuration
  }()

  /// Has a connection for each user, all welcomed.
  init(_ users: [UserName]) throws {
    let loop = EmbeddedEventLoop()
    self.connections = try CostConnections(on: loop)
    self.gateway = BareGateway(
      configuration: Self.configuration, eventLoop: loop, clients: self.connections.clients,
      metrics: self.connections.metrics, logger: CostGateway.silent)
    self.sockets = try users.map { _ in try CostConnections.channel(on: loop) }
    for (socket, user) in zip(self.sockets, users) {
      try self.gateway.serve(socket, user: user, device: .default)
    }
    try self.connections.settle()
    for number in users.indices { _ = try self.takeFrames("welcome", from: number) }
  }

  static let silent = Logger(label: "cost") { _ in SwiftLogNoOpLogHandler() }

  /// The client says something.
  func write(_ frames: ByteBuffer, to number: Int) throws {
    try self.sockets[number].writeInbound(frames)
  }

  /// Takes what was written to a client.
  ///
  /// - Returns: how many of the writes begin with a frame of this type.
  func takeFrames(_ type: StaticString, from number: Int) throws -> Int {
    var count = 0
    while let frames = try self.sockets[number].readOutbound(as: ByteBuffer.self) {
      count += CostFrames.count(type, in: frames)
    }
    return count
  }

  /// Lets the loop's time pass for operations that are done.
  func advanceTime(for operations: Int) throws {
    let before = self.operations / CostLimits.operationsPerSecond
    self.operations += operations
    let seconds = self.operations / CostLimits.operationsPerSecond - before
    guard seconds > 0 else { return }
    self.connections.loop.advanceTime(by: .seconds(Int64(seconds)))
    try self.connections.settle()
  }
}
