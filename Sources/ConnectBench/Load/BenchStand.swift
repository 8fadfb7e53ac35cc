import ConnectClient
import ConnectProtocol
import Foundation
import Gateway
import LocalRedis
import Settings

/// The system under test: gateways that run already, or a deployment of child processes.
struct BenchStand: Sendable {
  let endpoints: [ConnectEndpoint]
  let processes: [MeasuredProcess]
  /// Primaries of a Redis that was started.
  let primaries: [LocalRedisServer]
  let setup: BenchSetup
  let token: @Sendable (UserName) async throws -> String

  /// Counts of each of ``primaries`` since its start.
  func primaryCounts() async throws -> [PrimaryCounts] {
    var counts: [PrimaryCounts] = []
    for primary in self.primaries {
      counts.append(PrimaryCounts(info: try await primary.command("INFO").string ?? ""))
    }
    return counts
  }

  /// Starts what is needed, runs `body`, and ends what was started.
  ///
  /// - Parameter limitsRequests: whether gateways that are started hold users to the default limit of
  ///   requests. They have no other limits of a user.
  static func with<Result>(
    _ options: BenchOptions, limitsRequests: Bool = false,
    _ body: (BenchStand) async throws -> Result
  ) async throws -> Result {
    try await self.starting {
      guard options.url.isEmpty else { return try await body(self.running(options)) }
      var deployed = try options.deployment()
      if limitsRequests {
        deployed.gatewayArguments += [
          "--requests-per-second", "\(GatewayLimits.requestsPerSecond)",
        ]
      }
      return try await Deployment.with(deployed) { deployment in
        let registry = try await deployment.registry?.primaries() ?? []
        let primaries = try await deployment.redis.primaries() + registry
        return try await body(BenchStand(deployment, primaries: primaries, options: options))
      }
    }
  }

  private init(
    endpoints: [ConnectEndpoint], processes: [MeasuredProcess],
    primaries: [LocalRedisServer] = [], setup: BenchSetup,
    token: @escaping @Sendable (UserName) async throws -> String
  ) {
    self.endpoints = endpoints
    self.processes = processes
    self.primaries = primaries
    self.setup = setup
    self.token = token
  }

  private init(
    _ deployment: Deployment, primaries: [LocalRedisServer], options: BenchOptions
  ) {
    let nodes = deployment.redis.nodes
    var processes = nodes.enumerated().map { index, node in
      MeasuredProcess(
        name: nodes.count == 1 ? "redis" : "redis \(index + 1)",
        processIdentifier: node.processIdentifier)
    }
    for (index, node) in (deployment.registry?.nodes ?? []).enumerated() {
      processes.append(
        MeasuredProcess(
          name: "registry \(index + 1)", processIdentifier: node.processIdentifier))
    }
    for instance in deployment.messaging + deployment.gateways {
      processes.append(
        MeasuredProcess(
          name: instance.id.replacingOccurrences(of: "-", with: " "),
          processIdentifier: instance.process.processIdentifier))
    }
    self.init(
      endpoints: deployment.gateways.map(\.endpoint), processes: processes,
      primaries: primaries,
      setup: BenchSetup(
        gateways: deployment.gateways.count, messaging: deployment.messaging.count,
        partitions: options.partitions, primaries: primaries.count,
        redis: options.redis.redis.rawValue),
      token: { try await deployment.token(for: $0) })
  }

  private static func running(_ options: BenchOptions) async throws -> BenchStand {
    let secret = try SettingValues(options.auth).developmentSecret()
    let authenticator = await Authenticator(secret: secret)
    return BenchStand(
      endpoints: options.url, processes: options.process,
      setup: BenchSetup(
        gateways: options.url.count, messaging: nil, partitions: nil, primaries: nil, redis: nil),
      token: { try await authenticator.token(for: $0, seconds: 86_400) })
  }

  /// A deployment of the `connect` executable beside this one.
  static func deployment(gateways: Int) throws(Failure) -> Deployment.Options {
    let connect = URL(fileURLWithPath: Program.own).deletingLastPathComponent()
      .appendingPathComponent("connect").path
    guard FileManager.default.isExecutableFile(atPath: connect) else {
      throw Failure(
        .running,
        "there is no \(connect) to measure: build it, with `swift build --product connect`")
    }
    var options = Deployment.Options(executable: connect)
    options.gateways = gateways
    return options
  }

  /// Turns errors of a deployment into one line.
  static func starting<Result>(_ body: () async throws -> Result) async throws -> Result {
    do {
      return try await body()
    } catch let error as LocalRedisError {
      throw Failure(.unavailable, error.description)
    } catch let error as TimedOut {
      throw Failure(.running, error.description)
    } catch let error as ChildProcessError {
      throw Failure(.running, error.description)
    }
  }
}
