import Foundation

struct ServerPorts: Sendable, Hashable {
  /// That of TLS, for a server at a ``LocalRedisServer/Place``.
  var plain: Int
  /// Nil without TLS.
  var tls: Int?

  /// Uses ports on which nobody listens at the moment, unless one is given.
  init(plain: Int?, isTLS: Bool) throws(LocalRedisError) {
    self.plain = if let plain { plain } else { try Self.free() }
    guard isTLS else { return }
    repeat { tls = try Self.free() } while tls == self.plain
  }

  init(_ place: LocalRedisServer.Place) {
    self.plain = place.tlsPort
    self.tls = place.tlsPort
  }

  /// A port that is free, with that of a cluster's bus beside it.
  ///
  /// It is one of those that the system does not give to connections: while a server is down,
  /// between a crash and its restart, its port stays free.
  private static func free() throws(LocalRedisError) -> Int {
    for _ in 0..<1_000 {
      let port = Int.random(in: LocalRedisLimits.ports)
      do throws(ChildProcessError) {
        guard try LoopbackSocket.isFree(port) else { continue }
        if try LoopbackSocket.isFree(port + LocalRedisLimits.busOffset) { return port }
      } catch {
        throw .refused(error)
      }
    }
    throw .refused(.refused(operation: "finding a free port", code: EADDRNOTAVAIL))
  }
}
