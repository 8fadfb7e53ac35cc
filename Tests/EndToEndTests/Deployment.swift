import ConnectBench
import LocalRedis
import TestSupport

extension Deployment {
  static let secret = "a secret for the tests of whole deployments"

  /// Starts everything, runs `body`, and ends everything.
  static func with(
    gateways: Int = 2, persistence: LocalRedisServer.Persistence = .none,
    _ body: (Deployment) async throws -> Void
  ) async throws {
    var options = Options(executable: Program.connectBesideTests)
    options.gateways = gateways
    options.redis = .tested
    options.persistence = persistence
    options.secret = self.secret
    // Nothing that was acked is trimmed, since mailboxes are counted; and the dead have heirs soon.
    options.messagingArguments = ["--history-limit", "1000000", "--lease-seconds", "2"]
    try await self.with(options, body)
  }

  /// Kills messaging as a crash would, and starts another.
  func replaceMessaging() async throws {
    for instance in self.messaging { await self.kill(instance) }
    try await self.start(.messaging)
  }
}

extension Program {
  /// Settings that tests do not give: a secret, and no port that another test or another program
  /// may have.
  static let environment = [
    "CONNECT_AUTH_SECRET": Deployment.secret, "CONNECT_LISTEN": "127.0.0.1:0",
    "CONNECT_MANAGEMENT_LISTEN": "off",
  ]

  /// - Parameter arguments: those of `connect`, unless the first is `connect-bench`.
  convenience init(
    _ arguments: [String], environment: [String: String] = [:], input: ChildProcess.Input = .null
  ) throws(ChildProcessError) {
    let isBench = arguments.first == "connect-bench"
    try self.init(
      executable: Self.besideTests(isBench ? "connect-bench" : "connect"),
      Array(isBench ? arguments.dropFirst() : arguments[...]),
      environment: Self.environment.merging(environment) { $1 },
      input: input)
  }
}
