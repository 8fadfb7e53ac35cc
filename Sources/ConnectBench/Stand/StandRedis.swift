import Foundation
import LocalCluster
import LocalRedis
import Settings

/// The Redis cluster of a stand: three primaries and three replicas that speak TLS only, with the
/// documented users.
struct StandRedis: Sendable {
  let directory: StandDirectory
  let ports: StandPorts
  /// Directory of the repository.
  let root: String

  private static let nodes = 1...StandLimits.redisNodes
  private var addresses: [String] { Self.nodes.map { "127.0.0.1:\(self.ports[.redis, $0])" } }
  private var isMade: Bool { self.directory.text("redis/made") != nil }

  /// Address for clients.
  var url: String { "rediss://" + self.addresses.joined(separator: ",") }

  /// Arguments of `connect` for this Redis, equal in all instances.
  var arguments: [String] {
    [
      "--redis-url", self.url, "--redis-user", "connect",
      "--redis-password-file", self.directory.secretFile("redis-connect"),
      "--redis-ca-file", self.directory.caFile,
    ]
  }

  // MARK: Files

  /// Writes the settings of each node beside `infra/local/redis.conf`.
  func makeFiles() throws(Failure) {
    let admin = try self.directory.secret("redis-admin")
    try self.directory.write(
      "redis/users.acl",
      """
      user default off
      user admin on >\(admin) ~* &* +@all
      user connect on >\(self.directory.secret("redis-connect")) \(self.documentedRights("connect"))
      user inspect on >\(self.directory.secret("redis-inspect")) \(self.documentedRights("inspect"))
      """)
    let state = self.directory.path
    for node in Self.nodes {
      // Of a cluster that was not finished there is nothing to keep.
      if !self.isMade { try? FileManager.default.removeItem(atPath: "\(state)/redis/\(node)") }
      try self.directory.makeDirectory("redis/\(node)")
      try self.directory.write(
        "redis/\(node).conf",
        """
        include "\(self.root)/infra/local/redis.conf"
        dir "\(state)/redis/\(node)"
        tls-port \(self.ports[.redis, node])
        cluster-port \(self.ports[.redisBus, node])
        aclfile "\(state)/redis/users.acl"
        masteruser admin
        masterauth \(admin)
        tls-ca-cert-file "\(self.directory.caFile)"
        tls-cert-file "\(state)/certificates/redis.pem"
        tls-key-file "\(state)/certificates/redis.key"
        """)
    }
    try self.directory.write(
      "connect.env",
      """
      # To be sourced: connect inspect, token and chat then find the stand.
      export CONNECT_REDIS_URL='\(self.url)'
      export CONNECT_REDIS_USER=inspect
      export CONNECT_REDIS_PASSWORD_FILE='\(self.directory.secretFile("redis-inspect"))'
      export CONNECT_REDIS_CA_FILE='\(self.directory.caFile)'
      export CONNECT_AUTH_SECRET_FILE='\(self.directory.secretFile("tokens"))'
      """)
  }

  /// The rights of a user as Redis.md documents them, in a line to copy.
  private func documentedRights(_ user: String) throws(Failure) -> Substring {
    let guide = "\(self.root)/Sources/ConnectCommand/Documentation.docc/Redis.md"
    let start = "ACL SETUSER \(user) on >PASSWORD "
    let text = (try? String(contentsOfFile: guide, encoding: .utf8)) ?? ""
    guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(start) }) else {
      throw Failure(.running, "the rights of the Redis user '\(user)' are missing in \(guide)")
    }
    return line.dropFirst(start.count)
  }

  // MARK: Start

  /// Starts it, and returns its nodes once they serve with all their replicas.
  func start() async throws -> [LocalRedisServer] {
    // Nobody needs the nodes' sockets later.
    let sockets = try TemporaryDirectory()
    defer { sockets.remove() }
    var options = LocalRedisCluster.Options()
    options.replicasPerPrimary = 1
    options.places = try Self.nodes.map { try self.place($0, sockets: sockets.path.string) }
    options.isMade = self.isMade
    let nodes = try await LocalRedisCluster.start(options).nodes
    try self.directory.write("redis/made", "")
    return nodes
  }

  private func place(_ node: Int, sockets: String) throws(Failure) -> LocalRedisServer.Place {
    LocalRedisServer.Place(
      configurationFile: "\(self.directory.path)/redis/\(node).conf",
      directory: "\(self.directory.path)/redis/\(node)",
      tlsPort: self.ports[.redis, node], busPort: self.ports[.redisBus, node],
      socket: "\(sockets)/\(node)", user: "admin",
      password: try self.directory.secret("redis-admin"),
      log: self.directory.log("redis-\(node)"))
  }
}
