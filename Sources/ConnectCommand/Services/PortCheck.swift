import HTTPServer
import NIOCore
import NIOPosix
import Settings

/// Sees that ports are free before a Redis is started or asked, so that one that is taken is the first
/// thing to be said, and at once.
///
/// The services listen by themselves later, and say so if another process was faster meanwhile.
struct PortCheck {
  private struct Port {
    let host: String
    let port: Int
    let flag: String
  }

  private var ports: [Port] = []

  /// - Parameter flag: The option that sets the port.
  mutating func add(host: String, port: Int, _ flag: String) {
    self.ports.append(Port(host: host, port: port, flag: flag))
  }

  /// Listens on all at a time, and no longer.
  ///
  /// - Throws: a ``Failure`` that names the first that cannot be listened on, and its option.
  func run(on group: any EventLoopGroup) async throws(Failure) {
    var listeners: [any Channel] = []
    var failure: Failure?
    for port in self.ports {
      do {
        listeners.append(
          try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // Whoever connects meanwhile is not answered by this.
            .serverChannelOption(.autoRead, value: false)
            .bind(host: port.host, port: port.port).get())
      } catch {
        let reason = CannotListen(host: port.host, port: port.port, error)
        failure = Failure(.running, "\(reason) with \(port.flag)")
        break
      }
    }
    for listener in listeners { try? await listener.close() }
    if let failure { throw failure }
  }
}
