import ConnectClient
import ConnectProtocol
import Foundation
import Gateway
import LocalRedis
import NIOConcurrencyHelpers

/// What is measured: gateways that run already, or a deployment of child processes.
final class BenchStand {
  let endpoints: [ConnectEndpoint]
  let processes: [MeasuredProcess]
  private let authenticator: Authenticator
  private let redis: LocalRedisServer?
  private let services: [ChildProcess]

  private init(
    endpoints: [ConnectEndpoint], processes: [MeasuredProcess], authenticator: Authenticator,
    redis: LocalRedisServer? = nil, services: [ChildProcess] = []
  ) {
    self.endpoints = endpoints
    self.processes = processes
    self.authenticator = authenticator
    self.redis = redis
    self.services = services
  }

  /// Starts what is needed, runs `body`, and ends what was started.
  static func with<Result>(
    _ options: BenchOptions, _ body: (BenchStand) async throws -> Result
  ) async throws -> Result {
    let stand = try await options.url.isEmpty ? own(options) : running(options)
    do {
      let result = try await body(stand)
      await stand.stop()
      return result
    } catch {
      await stand.stop()
      throw error
    }
  }

  func token(for user: UserName) async throws -> String {
    try await self.authenticator.token(for: user, seconds: 86_400)
  }

  private static func running(_ options: BenchOptions) async throws -> BenchStand {
    let endpoints = try options.url.map { url throws(Failure) in
      guard let endpoint = ConnectEndpoint(url) else {
        throw Failure.usage("--url: '\(url)' is not ws://host:port")
      }
      return endpoint
    }
    let processes = try options.process.map { text throws(Failure) in
      guard let process = MeasuredProcess(text) else {
        throw Failure.usage("--process: '\(text)' is not name=pid")
      }
      return process
    }
    let secret = try SettingValues(flags: options.auth.flags).developmentSecret()
    return BenchStand(
      endpoints: endpoints, processes: processes,
      authenticator: await Authenticator(secret: secret))
  }

  private static func own(_ options: BenchOptions) async throws -> BenchStand {
    guard (1...16).contains(options.gateways) else {
      throw Failure.usage("--gateways: must be 1 to 16")
    }
    let redis: LocalRedisServer
    do throws(LocalRedisError) {
      redis = try await LocalRedisServer.start()
    } catch {
      throw Failure(.unavailable, error.description)
    }
    let secret = String(
      decoding: (0..<48).map { _ in UInt8.random(in: 0x61...0x7a) }, as: UTF8.self)
    var processes = [
      MeasuredProcess(name: "redis", processIdentifier: redis.processIdentifier)
    ]
    var services: [ChildProcess] = []
    var endpoints: [ConnectEndpoint] = []
    do {
      let messaging = try await Self.start(
        ["messaging", "--redis-url", redis.url], secret: secret, until: "messaging.started")
      services.append(messaging.process)
      processes.append(
        MeasuredProcess(
          name: "messaging", processIdentifier: messaging.process.processIdentifier))
      for number in 1...options.gateways {
        let gateway = try await Self.start(
          [
            "gateway", "--redis-url", redis.url, "--listen", "127.0.0.1:0", "--sends-per-second",
            "0",
          ], secret: secret, until: "gateway.listening")
        services.append(gateway.process)
        processes.append(
          MeasuredProcess(
            name: "gateway \(number)", processIdentifier: gateway.process.processIdentifier))
        endpoints.append(ConnectEndpoint(host: "127.0.0.1", port: try Self.port(in: gateway.line)))
      }
    } catch {
      for service in services { await service.terminate(grace: .seconds(2)) }
      await redis.stop()
      throw error
    }
    return BenchStand(
      endpoints: endpoints, processes: processes,
      authenticator: await Authenticator(secret: Array(secret.utf8)), redis: redis,
      services: services)
  }

  private static func start(
    _ arguments: [String], secret: String, until event: String
  ) async throws -> (process: ChildProcess, line: String) {
    let found = NIOLockedValueBox<String?>(nil)
    let last = NIOLockedValueBox("")
    let process = try ChildProcess(
      executable: Self.executable, arguments: arguments + ["--management-listen", "off"],
      environment: ["CONNECT_AUTH_SECRET": secret], standardOutput: .discard,
      standardError: .lines { line in
        last.withLockedValue { $0 = line }
        if line.contains(event) { found.withLockedValue { $0 = line } }
      })
    for _ in 0..<1_000 {
      if let line = found.withLockedValue({ $0 }) { return (process, line) }
      guard process.isRunning else { break }
      try await Task.sleep(for: .milliseconds(10))
    }
    await process.terminate(grace: .seconds(1))
    throw Failure(
      .running, "connect \(arguments[0]) did not start: \(last.withLockedValue { $0 })")
  }

  private static var executable: String {
    FileManager.default.fileExists(atPath: "/proc/self/exe")
      ? "/proc/self/exe" : CommandLine.arguments[0]
  }

  /// The address is logged as `[IPv4]127.0.0.1/127.0.0.1:41237`.
  private static func port(in line: String) throws(Failure) -> Int {
    let address = line.split(separator: "address=").last?.prefix { $0 != " " } ?? ""
    guard let port = address.split(separator: ":").last.flatMap({ Int($0) }) else {
      throw Failure(.running, "no port in: \(line)")
    }
    return port
  }

  private func stop() async {
    for service in self.services.reversed() { await service.terminate(grace: .seconds(5)) }
    await self.redis?.stop()
  }
}
