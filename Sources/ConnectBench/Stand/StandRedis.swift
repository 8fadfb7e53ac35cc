import Foundation
import LocalRedis
import Settings
import Synchronization

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

  /// The rights of a user from the operations guide, in a line to copy.
  private func documentedRights(_ user: String) throws(Failure) -> Substring {
    let guide = "\(self.root)/Sources/ConnectCommand/Documentation.docc/Operations.md"
    let start = "ACL SETUSER \(user) on >PASSWORD "
    let text = (try? String(contentsOfFile: guide, encoding: .utf8)) ?? ""
    guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(start) }) else {
      throw Failure(.running, "the rights of the Redis user '\(user)' are missing in \(guide)")
    }
    return line.dropFirst(start.count)
  }

  // MARK: Start

  /// Starts it in a stand, and returns when it serves with all its replicas.
  func start(in stand: Stand) async throws {
    for node in Self.nodes {
      try stand.start(
        .redis, name: "redis-\(node)", place: node, "redis-server",
        ["\(self.directory.path)/redis/\(node).conf"])
    }
    for node in Self.nodes {
      try await stand.wait(for: "redis-\(node)") {
        try await self.command(node, ["PING"]).output == ["PONG"]
      }
    }
    if !self.isMade { try await self.create() }
    for node in Self.nodes {
      try await stand.wait(for: "redis-\(node) to see a whole cluster") {
        try await self.isWell(node)
      }
    }
    try self.directory.write("redis/made", "")
  }

  private func create() async throws {
    let result = try await self.command(
      1, ["--cluster", "create"] + self.addresses + ["--cluster-replicas", "1", "--cluster-yes"])
    let log = result.output.joined(separator: "\n")
    try self.directory.write("logs/redis-cluster.log", log)
    guard result.status == .exited(0) else {
      throw Failure(
        .running,
        "the Redis cluster could not be made:\n\(self.directory.lastLines("redis-cluster"))")
    }
  }

  /// Whether this node sees all slots served, and a replica is in sync with its primary.
  private func isWell(_ node: Int) async throws -> Bool {
    let answers = Set(
      try await self.command(node, [], input: "CLUSTER INFO\nINFO replication\n").output)
    guard answers.contains("cluster_state:ok") else { return false }
    return answers.contains("role:master") && answers.contains("connected_slaves:1")
      || answers.contains("role:slave") && answers.contains("master_link_status:up")
  }

  /// Runs `redis-cli` against a node, and returns its output.
  private func command(
    _ node: Int, _ words: [String], input: String = ""
  ) async throws -> (status: ExitStatus, output: [String]) {
    let lines = Mutex<[String]>([])
    let collect: @Sendable (String) -> Void = { line in
      lines.withLock { $0.append(line.trimmingCharacters(in: .whitespacesAndNewlines)) }
    }
    let process = try ChildProcess(
      executable: "redis-cli",
      arguments: [
        "--no-auth-warning", "--user", "admin", "--tls", "--cacert", self.directory.caFile,
        "-h", "127.0.0.1", "-p", "\(self.ports[.redis, node])",
      ] + words,
      environment: ["REDISCLI_AUTH": try self.directory.secret("redis-admin")],
      standardOutput: .lines(collect), standardError: .lines(collect), standardInput: .pipe)
    try? process.input?.write(input)
    process.input?.close()
    let status = await process.waitForExit()
    return (status, lines.withLock(\.self))
  }
}
