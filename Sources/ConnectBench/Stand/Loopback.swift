import NIOCore
import NIOPosix

/// Short exchanges with processes on 127.0.0.1.
enum Loopback {
  /// A connection that is read and written by one task.
  typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>

  /// Sends a text to a port, and returns everything until the other end closes.
  static func ask(_ port: Int, _ text: String) async throws -> String {
    let connection = try await self.bootstrap.connect(
      host: "127.0.0.1", port: port, channelInitializer: self.wrap)
    let channel = connection.channel
    let limit = channel.eventLoop.scheduleTask(in: .seconds(StandLimits.answerSeconds)) {
      channel.close(promise: nil)
    }
    defer { limit.cancel() }
    return try await connection.executeThenClose { inbound, outbound in
      try await outbound.write(ByteBuffer(string: text))
      var answer = ""
      for try await part in inbound { answer += String(buffer: part) }
      return answer
    }
  }

  /// Whether the service behind a management port is ready.
  static func isReady(_ port: Int) async -> Bool {
    let request = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    return (try? await self.ask(port, request))?.hasPrefix("HTTP/1.1 200") ?? false
  }

  static func isListening(on port: Int) async -> Bool {
    guard
      let connection = try? await self.bootstrap.connect(
        host: "127.0.0.1", port: port, channelInitializer: self.wrap)
    else { return false }
    try? await connection.executeThenClose { _, _ in }
    return true
  }

  /// Listens on a port, and closes what connects; nil if something else has the port, or there is no such port.
  static func listen(on port: Int) async -> (any Channel)? {
    guard port <= UInt16.max else { return nil }
    return try? await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { $0.close() }
      .bind(host: "127.0.0.1", port: port).get()
  }

  static var bootstrap: ClientBootstrap {
    ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .connectTimeout(.seconds(StandLimits.answerSeconds))
  }

  /// Makes a connected or accepted channel usable by tasks.
  @Sendable static func wrap(_ channel: any Channel) -> EventLoopFuture<Connection> {
    channel.eventLoop.makeCompletedFuture {
      try Connection(wrappingChannelSynchronously: channel)
    }
  }
}
