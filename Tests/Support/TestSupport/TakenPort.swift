import NIOCore
import NIOPosix

/// A port of this machine that is listened on, whose neighbour below is free.
package struct TakenPort: Sendable {
  /// Below those that the system gives to connections, which might be the neighbour.
  private static let ports = 10_001...32_000

  package let port: Int
  private let listener: any Channel

  package init() async throws {
    while true {
      let port = Int.random(in: Self.ports)
      guard let neighbour = try? await Self.listen(port - 1) else { continue }
      try await neighbour.close()
      guard let listener = try? await Self.listen(port) else { continue }
      (self.port, self.listener) = (port, listener)
      return
    }
  }

  private static func listen(_ port: Int) async throws -> any Channel {
    try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bind(host: "127.0.0.1", port: port).get()
  }

  package func close() async { try? await self.listener.close() }

  /// One that was free a moment ago. Once a test listens there no more, only another test that draws the
  /// same number does: the system gives it to none that asks for any port.
  package static func free() async throws -> Int {
    let taken = try await TakenPort()
    await taken.close()
    return taken.port
  }
}
