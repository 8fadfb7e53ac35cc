import Foundation

extension LocalRedisServer {
  /// Where a server stays from one start to the next, when all else is in a configuration file of the
  /// caller's: it speaks TLS only, and nobody does anything without a login.
  ///
  /// Commands by hand then go through a Unix socket of their own.
  package struct Place: Sendable, Hashable {
    /// The path of the configuration file. It names the ports and the directory, too.
    package var configurationFile: String
    package var directory: String
    /// The port on 127.0.0.1 that speaks TLS.
    package var tlsPort: Int
    /// That of the cluster's bus.
    package var busPort: Int
    /// The path of the Unix socket, of some 100 bytes at most.
    package var socket: String
    /// As whom commands by hand are given: somebody who may do everything.
    package var user: String
    package var password: String
    /// A file to which the server's output is appended.
    package var log: String

    package init(
      configurationFile: String, directory: String, tlsPort: Int, busPort: Int, socket: String,
      user: String, password: String, log: String
    ) {
      self.configurationFile = configurationFile
      self.directory = directory
      self.tlsPort = tlsPort
      self.busPort = busPort
      self.socket = socket
      self.user = user
      self.password = password
      self.log = log
    }

    /// Arguments for redis-server. Only its owner reaches the socket.
    var arguments: [String] {
      [self.configurationFile, "--unixsocket", self.socket, "--unixsocketperm", "700"]
    }
  }
}

/// How commands by hand reach a server.
enum CommandAccess: Sendable {
  /// A plain port, as the default user.
  case port(Int)
  case place(LocalRedisServer.Place)

  /// Connects, and logs in. All that this connection does ends by the deadline.
  func connect(deadline: ContinuousClock.Instant) throws(ChildProcessError) -> LoopbackSocket {
    switch self {
    case .port(let port):
      return try LoopbackSocket(port: port, deadline: deadline)
    case .place(let place):
      let socket = try LoopbackSocket(path: place.socket, deadline: deadline)
      let login = LocalRedisServer.encode(["AUTH", place.user, place.password])
      let isLoggedIn = try socket.ask(login) { reply in
        reply.last == UInt8(ascii: "\n") ? reply.starts(with: "+OK".utf8) : nil
      }
      guard isLoggedIn else {
        throw .refused(operation: "logging in as \(place.user)", code: EACCES)
      }
      return socket
    }
  }
}

extension LocalRedisServer.Options {
  func access(_ ports: ServerPorts) -> CommandAccess {
    self.place.map(CommandAccess.place) ?? .port(ports.plain)
  }
}
