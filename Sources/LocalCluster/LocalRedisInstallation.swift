import LocalRedis

/// A private Redis of one of the kinds that Connect is made for: one server or a cluster, plain or
/// with TLS and users.
///
/// The services know no kinds: they are told ``url`` and ``environment``, and find out the rest.
package final class LocalRedisInstallation: Sendable {
  package enum Kind: String, Sendable, Hashable, CaseIterable {
    case plain
    /// One server; services use TLS and log in as a user with few rights.
    case tls
    /// Three primaries.
    case cluster
    /// Three primaries with a replica each; TLS and login as in ``tls``.
    case clusterTLS = "cluster-tls"

    /// Whether services use TLS and log in.
    package var isSecure: Bool { self == .tls || self == .clusterTLS }
    package var isCluster: Bool { self == .cluster || self == .clusterTLS }
    /// Replicas of each primary.
    package var replicas: Int { self == .clusterTLS ? 1 : 0 }
  }

  package struct Options: Sendable {
    package var kind = Kind.plain
    /// Primaries of a cluster; nil for its default.
    package var primaries: Int?
    /// Data that survives the servers' processes.
    package var persistence = LocalRedisServer.Persistence.none
    /// Rights of ``user``, as ACL rules.
    package var rights: [String] = ["~*", "&*", "+@all"]
    /// See ``LocalRedisCluster/Options/nodeTimeoutMilliseconds``.
    package var nodeTimeoutMilliseconds = LocalRedisCluster.Options().nodeTimeoutMilliseconds
    /// Further arguments for each redis-server.
    package var extraArguments: [String] = []
    /// An installation that shares its CA with this one, if both have one.
    package var relative: LocalRedisInstallation?

    /// One server without persistence.
    package init(kind: Kind = .plain) { self.kind = kind }
  }

  private enum Servers: Sendable {
    case one(LocalRedisServer)
    case several(LocalRedisCluster)
  }

  package let kind: Kind
  private let servers: Servers
  private let certificates: LocalCertificates?

  /// The user as whom services log in if the kind is secure.
  package static let user = "connect"
  package static let password = "correct-horse-battery"

  private init(_ kind: Kind, _ servers: Servers, _ certificates: LocalCertificates?) {
    self.kind = kind
    self.servers = servers
    self.certificates = certificates
  }

  /// Starts it, and returns when it serves.
  package static func start(_ options: Options = Options()) async throws -> LocalRedisInstallation {
    let certificates =
      if !options.kind.isSecure {
        LocalCertificates?.none
      } else if let shared = options.relative?.certificates {
        shared
      } else {
        try LocalCertificates()
      }
    let tls = certificates?.serverFiles()
    let users =
      options.kind.isSecure
      ? ["\(user) on >\(password) " + options.rights.joined(separator: " ")] : []
    let servers: Servers
    if options.kind.isCluster {
      var cluster = LocalRedisCluster.Options()
      if let primaries = options.primaries { cluster.primaries = primaries }
      cluster.replicasPerPrimary = options.kind.replicas
      cluster.nodeTimeoutMilliseconds = options.nodeTimeoutMilliseconds
      cluster.persistence = options.persistence
      cluster.tls = tls
      cluster.users = users
      cluster.extraArguments = options.extraArguments
      servers = .several(try await LocalRedisCluster.start(cluster))
    } else {
      servers = .one(
        try await LocalRedisServer.start(
          LocalRedisServer.Options(
            persistence: options.persistence, tls: tls, users: users,
            extraArguments: options.extraArguments)))
    }
    return LocalRedisInstallation(options.kind, servers, certificates)
  }

  // MARK: For clients

  /// Address for services.
  package var url: String {
    switch self.servers {
    case .one(let server): server.tlsURL ?? server.url
    case .several(let cluster): cluster.tlsURL ?? cluster.url
    }
  }

  /// The CA to trust, if the kind is secure.
  package var caFile: String? { self.certificates?.caFile }

  /// Address for unrestricted use: without TLS, as the default user.
  package var adminURL: String {
    switch self.servers {
    case .one(let server): server.url
    case .several(let cluster): cluster.url
    }
  }

  /// Settings of `connect` that a service needs besides ``url``, as variables.
  package var environment: [String: String] {
    guard let caFile = self.caFile else { return [:] }
    return [
      "CONNECT_REDIS_CA_FILE": caFile, "CONNECT_REDIS_USER": Self.user,
      "CONNECT_REDIS_PASSWORD": Self.password,
    ]
  }

  // MARK: Servers

  /// All servers, including replicas.
  package var nodes: [LocalRedisServer] {
    switch self.servers {
    case .one(let server): [server]
    case .several(let cluster): cluster.nodes
    }
  }

  package var cluster: LocalRedisCluster? {
    if case .several(let cluster) = self.servers { cluster } else { nil }
  }

  /// The servers that are primaries at the moment.
  package func primaries() async throws -> [LocalRedisServer] {
    switch self.servers {
    case .one(let server): [server]
    case .several(let cluster): try await cluster.primaries()
    }
  }

  /// Asks all servers to end, and waits for that.
  package func stop() async {
    switch self.servers {
    case .one(let server): await server.stop()
    case .several(let cluster): await cluster.stop()
    }
  }

  /// Kills all servers at once, like a power failure, and waits for their end.
  package func kill() async {
    await withDiscardingTaskGroup { group in
      for node in self.nodes { group.addTask { await node.kill() } }
    }
  }

  /// Starts all servers again, with their files, and returns when they serve.
  package func restart() async throws {
    switch self.servers {
    case .one(let server): try await server.restart()
    case .several(let cluster): try await cluster.restart()
    }
  }

  /// Suspends all servers' processes (SIGSTOP).
  package func pause() {
    for node in self.nodes { node.pause() }
  }

  /// Ends a ``pause()``.
  package func resume() {
    for node in self.nodes { node.resume() }
  }
}
