import Foundation
import LocalRedis
import Logging
import NIOConcurrencyHelpers
import NIOPosix
import Redis
import Testing

/// A whole Connect of separate processes: a Redis, one messaging, and gateways.
final class Deployment {
  static let secret = "a secret for the tests of whole deployments"

  let redis: LocalRedisServer
  private(set) var messaging: Program
  private(set) var gateways: [Gateway] = []

  struct Gateway {
    let program: Program
    let port: Int
    var url: String { "ws://127.0.0.1:\(self.port)" }
  }

  private init(redis: LocalRedisServer) async throws {
    self.redis = redis
    self.messaging = try await Self.startMessaging(redis)
  }

  /// Starts everything, runs `body`, and ends everything.
  static func with(
    gateways: Int = 2, persistence: LocalRedisServer.Persistence = .none,
    _ body: (Deployment) async throws -> Void
  ) async throws {
    let redis = try await LocalRedisServer.start(.init(persistence: persistence))
    let deployment = try await Deployment(redis: redis)
    do {
      for _ in 0..<gateways { try await deployment.startGateway() }
      try await body(deployment)
    } catch {
      await deployment.stop()
      throw error
    }
    await deployment.stop()
  }

  private static func startMessaging(_ redis: LocalRedisServer) async throws -> Program {
    let program = try Program([
      "messaging", "--redis-url", redis.url, "--management-listen", "off",
    ])
    _ = try await program.errorLine { $0.contains("messaging.started") }
    return program
  }

  private func startGateway() async throws {
    let program = try Program([
      "gateway", "--redis-url", self.redis.url, "--listen", "127.0.0.1:0",
      "--management-listen", "off", "--sends-per-second", "0",
    ])
    let line = try await program.errorLine { $0.contains("gateway.listening") }
    // The address is logged as [IPv4]127.0.0.1/127.0.0.1:41237.
    let digits = line.split(separator: "address=").last?.prefix { $0 != " " }.split(separator: ":")
    let port = try #require(Int(digits?.last ?? ""), "no port in: \(line)")
    self.gateways.append(Gateway(program: program, port: port))
  }

  /// Kills messaging as a crash would, and starts another.
  func replaceMessaging() async throws {
    self.messaging.process.signal(SIGKILL)
    _ = await self.messaging.process.waitForExit()
    self.messaging = try await Self.startMessaging(self.redis)
  }

  private func stop() async {
    for gateway in self.gateways { await gateway.program.process.terminate(grace: .seconds(5)) }
    await self.messaging.process.terminate(grace: .seconds(5))
    await self.redis.stop()
  }

  /// How many entries a mailbox has.
  func mailboxLength(of user: String) async throws -> Int {
    let clients = SingleServerClientFactory(
      url: RedisURL(host: "127.0.0.1", port: self.redis.port), logger: Logger(label: "test"))
    let client = clients.makeClient(on: MultiThreadedEventLoopGroup.singleton.next())
    try await client.whenReady().get()
    var batch = RedisBatch()
    batch.append("XLEN", "connect:mailbox:{\(user)}")
    var cursor = try await client.execute(batch).cursor(0)
    let length = try cursor.integer()
    try await client.close().get()
    return length
  }
}

/// The `connect` executable with arguments, and what it says.
final class Program: Sendable {
  let process: ChildProcess
  private let outputLines = NIOLockedValueBox<[String]>([])
  private let errorLines = NIOLockedValueBox<[String]>([])

  init(
    _ arguments: [String], environment: [String: String] = [:], input: ChildProcess.Input = .null
  ) throws {
    let outputLines = self.outputLines
    let errorLines = self.errorLines
    self.process = try ChildProcess(
      executable: productsDirectory.appendingPathComponent("connect").path,
      arguments: arguments,
      environment: ["CONNECT_AUTH_SECRET": Deployment.secret].merging(environment) { _, new in new
      },
      standardOutput: .lines { line in outputLines.withLockedValue { $0.append(line) } },
      standardError: .lines { line in errorLines.withLockedValue { $0.append(line) } },
      standardInput: input)
  }

  /// Everything on standard output so far.
  var output: [String] { self.outputLines.withLockedValue { $0 } }
  /// Everything on standard error so far.
  var errors: [String] { self.errorLines.withLockedValue { $0 } }

  /// The first line on standard error that fits, waited for.
  func errorLine(_ fits: @Sendable (String) -> Bool) async throws -> String {
    try await eventually("a line on standard error of \(self.errors)") {
      self.errors.first(where: fits)
    }
  }

  /// Waits until the program has ended, and says how.
  func exitCode(within limit: Duration = .seconds(60)) async throws -> Int32 {
    let process = self.process
    let status = try await eventually(
      "the end of the program; it said \(self.errors)", limit: limit
    ) {
      process.exitStatus
    }
    guard case .exited(let code) = status else { return -1 }
    return code
  }
}

/// What was waited for and did not come.
struct TimedOut: Error, CustomStringConvertible {
  let description: String
}

/// Asks until there is an answer.
func eventually<Value>(
  _ what: @autoclosure () -> String, limit: Duration = .seconds(60),
  _ ask: () async throws -> Value?
) async throws -> Value {
  let deadline = ContinuousClock.now + limit
  while ContinuousClock.now < deadline {
    if let value = try await ask() { return value }
    try await Task.sleep(for: .milliseconds(20))
  }
  throw TimedOut(description: "timed out waiting for \(what())")
}

/// Where SwiftPM puts executables: beside the bundle of the tests.
let productsDirectory: URL = {
  #if os(macOS)
    for bundle in Bundle.allBundles where bundle.bundlePath.hasSuffix(".xctest") {
      return bundle.bundleURL.deletingLastPathComponent()
    }
  #endif
  return Bundle.main.bundleURL
}()
