extension LocalRedisServer {
  /// Options that make a private server differ from the default.
  package struct Options: Sendable, Hashable {
    package var persistence: Persistence = .none
    /// The port to listen on; nil for a free one.
    package var port: Int?
    /// Files for TLS, which the server then speaks on a free port beside the plain one. Nil: it
    /// speaks plain only.
    package var tls: TLSFiles?
    /// Users beside the default one, which the fixture itself needs: each as its name and its rules,
    /// as in `reader on >secret ~* &* +@read`.
    package var users: [String] = []
    /// Further arguments for redis-server. They follow ours, and so override them.
    package var extraArguments: [String] = []
    /// Path of redis-server; nil for the one in `PATH`.
    package var executable: String?
    /// Where the server stays. All of the above but the executable then does not count.
    package var place: Place?

    /// A server without persistence on a free port, unless arguments say otherwise.
    package init(
      persistence: Persistence = .none, port: Int? = nil, tls: TLSFiles? = nil,
      users: [String] = [], extraArguments: [String] = [], executable: String? = nil
    ) {
      self.persistence = persistence
      self.port = port
      self.tls = tls
      self.users = users
      self.extraArguments = extraArguments
      self.executable = executable
    }
  }

  /// Data that survives the server's process.
  package enum Persistence: Sendable, Hashable {
    case none
    /// Every write, in an append-only file. The directory is made if missing, and stays the caller's:
    /// it is never removed. Nil: the server's temporary directory, which ``stop()`` removes.
    case appendOnly(directory: String? = nil, fsync: Fsync = .everySecond)
  }

  package enum Fsync: String, Sendable, Hashable {
    /// Before the server answers. If the disk is full, the server ends.
    case always
    /// Once a second. If the disk is full, the server refuses writes.
    case everySecond = "everysec"
  }
}

extension LocalRedisServer.Options {
  /// The caller's directory; nil for a temporary one.
  var givenDirectory: String? {
    if let place { return place.directory }
    guard case .appendOnly(let directory, _) = persistence else { return nil }
    return directory
  }

  func arguments(ports: ServerPorts, directory: String) -> [String] {
    if let place { return place.arguments }
    var arguments = [
      "--port", "\(ports.plain)",
      "--bind", "127.0.0.1",
      "--protected-mode", "yes",
      "--dir", directory,
      "--save", "",
      "--maxmemory-policy", "noeviction",
      // A stream's node is allocated whole: with 4096 bytes, the default, a mailbox of one message
      // takes 4.3 KB, with 1024 it takes 1.3.
      "--stream-node-max-bytes", "1024",
    ]
    if case .appendOnly(_, let fsync) = persistence {
      arguments += ["--appendonly", "yes", "--appendfsync", fsync.rawValue]
    }
    if let tls, let port = ports.tls { arguments += tls.arguments(port: port) }
    for user in users { arguments += ["--user"] + user.split(separator: " ").map(String.init) }
    return arguments + extraArguments
  }
}
