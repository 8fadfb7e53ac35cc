import ConnectClient
import ConnectProtocol
import Foundation
import Gateway
import LocalRedis
import MessageBus
import Settings

/// The system under test: gateways that run already, or a deployment of child processes.
struct BenchStand: Sendable {
  /// Gateways that run already, and the processes to measure with them.
  private struct Running {
    let endpoints: [ConnectEndpoint]
    let processes: [MeasuredProcess]
  }

  /// What was started; nil where gateways run already.
  let deployment: Deployment?
  private let running: Running
  /// Primaries of a Redis that was started.
  let primaries: [LocalRedisServer]
  let setup: BenchSetup
  let token: @Sendable (UserName) async throws -> String

  /// The gateways there are at the moment.
  var endpoints: [ConnectEndpoint] {
    self.deployment?.gateways.map(\.endpoint) ?? self.running.endpoints
  }

  /// The processes there are at the moment.
  var processes: [MeasuredProcess] { self.deployment?.measured ?? self.running.processes }

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
  /// - Parameter adjust: changes the deployment that is started, if one is.
  static func with<Result>(
    _ options: BenchOptions, adjust: (inout Deployment.Options) -> Void = { _ in },
    _ body: (BenchStand) async throws -> Result
  ) async throws -> Result {
    guard options.url.isEmpty else {
      return try await self.starting { try await body(self.running(options)) }
    }
    var deployed = try options.deployed.deployment()
    adjust(&deployed)
    return try await self.deploying(deployed, body)
  }

  /// Starts a deployment, runs `body`, and ends it.
  static func deploying<Result>(
    _ options: Deployment.Options, _ body: (BenchStand) async throws -> Result
  ) async throws -> Result {
    try await self.starting {
      try await Deployment.with(options) { deployment in
        let registry = try await deployment.registry?.primaries() ?? []
        let primaries = try await deployment.redis.primaries() + registry
        let info = try await primaries.first?.command("INFO", "server").string ?? ""
        return try await body(
          BenchStand(
            deployment, primaries: primaries, options: options,
            redisVersion: PrimaryCounts.version(info: info)))
      }
    }
  }

  private init(
    _ deployment: Deployment, primaries: [LocalRedisServer], options: Deployment.Options,
    redisVersion: String?
  ) {
    self.deployment = deployment
    self.running = Running(endpoints: [], processes: [])
    self.primaries = primaries
    self.setup = BenchSetup(
      gateways: deployment.gateways.count, messaging: deployment.messaging.count,
      partitions: options.partitions ?? BusLimits.defaultPartitions, primaries: primaries.count,
      redis: options.redis.rawValue, registry: options.registry?.rawValue,
      redisVersion: redisVersion, aof: AppendOnly(options.persistence).rawValue,
      durability: "\(options.durability)")
    self.token = { try await deployment.token(for: $0) }
  }

  private init(_ options: BenchOptions, _ authenticator: Authenticator) {
    self.deployment = nil
    self.running = Running(endpoints: options.url, processes: options.process)
    self.primaries = []
    self.setup = BenchSetup(gateways: options.url.count)
    self.token = { try await authenticator.token(for: $0, seconds: 86_400) }
  }

  private static func running(_ options: BenchOptions) async throws -> BenchStand {
    let secret = try SettingValues(options.auth).developmentSecret()
    return BenchStand(options, await Authenticator(secret: secret))
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

extension Deployment {
  /// Its processes at the moment, by their names in reports: those of Redis first.
  fileprivate var measured: [MeasuredProcess] {
    let nodes = self.redis.nodes
    var processes = nodes.enumerated().map { index, node in
      MeasuredProcess(
        name: nodes.count == 1 ? "redis" : "redis \(index + 1)",
        processIdentifier: node.processIdentifier)
    }
    for (index, node) in (self.registry?.nodes ?? []).enumerated() {
      processes.append(
        MeasuredProcess(
          name: "registry \(index + 1)", processIdentifier: node.processIdentifier))
    }
    for instance in self.messaging + self.gateways {
      processes.append(
        MeasuredProcess(
          name: instance.measuredName, processIdentifier: instance.process.processIdentifier))
    }
    return processes
  }
}

extension Deployment.Instance {
  /// Its name in reports.
  var measuredName: String { self.id.replacingOccurrences(of: "-", with: " ") }
}
