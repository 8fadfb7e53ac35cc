import ConnectBench
import ConnectClient
import ConnectProtocol
import Foundation
import Gateway
import TestSupport

@testable import LocalRedis

/// `infra/local/up` as a process, with a directory of its own.
///
/// Both end with this process, however that ends.
struct LocalStand {
  /// `infra/local/up`.
  let up: Program
  private let directory: TemporaryDirectory
  private let authenticator: Authenticator
  private let port: Int

  /// How long a gateway may take to let its clients go, in seconds.
  static let drainSeconds = 5
  /// How long it may take until clients are served: with a debug build, on a busy machine.
  private static let start = Duration.seconds(120)

  private static let scripts = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../infra/local").standardizedFileURL.path

  /// Starts it, runs `body` once clients are served, and ends it, however `body` ends.
  static func with<Result>(
    _ claim: TestSemaphore.Claim = .inTurn, _ body: (LocalStand) async throws -> Result
  ) async throws -> Result {
    try await Stand.places.withPlace(claim) { try await Self.run(body) }
  }

  private static func run<Result>(
    _ body: (LocalStand) async throws -> Result
  ) async throws -> Result {
    let directory = try TemporaryDirectory()
    defer { directory.remove() }
    let up = try Self.program("up", in: directory, ["--drain-seconds", "\(Self.drainSeconds)"])
    do {
      let stand = try await LocalStand(up, directory)
      let result = try await body(stand)
      await up.process.terminate(grace: .seconds(60))
      return result
    } catch {
      await up.process.terminate(grace: .seconds(60))
      throw error
    }
  }

  private init(_ up: Program, _ directory: TemporaryDirectory) async throws {
    self.up = up
    self.directory = directory
    let apps = try await eventually(
      "clients are served; infra/local/up said \(up.errors)", within: Self.start
    ) { () -> String? in
      let hasEnded = up.process.exitStatus
      if let line = up.output.first(where: { $0.contains(" ws://") }) { return line }
      if let hasEnded { throw Failure("infra/local/up", hasEnded, up.errors) }
      return nil
    }
    let port = apps.split(separator: "localhost:").last.flatMap { Int($0.prefix { $0 != "/" }) }
    guard let port else { throw Failure(description: "no port in: \(apps)") }
    self.port = port
    let secret = try String(
      contentsOfFile: "\(directory.path.string)/secrets/tokens", encoding: .utf8)
    self.authenticator = await Authenticator(
      secret: Array(secret.trimmingCharacters(in: .newlines).utf8))
  }

  private static func program(
    _ script: String, in directory: TemporaryDirectory, _ arguments: [String]
  ) throws -> Program {
    let connect = script == "up" ? ["--connect", Program.connectBesideTests] : []
    return try Program(
      executable: "\(self.scripts)/\(script)",
      ["--state", directory.path.string] + connect + arguments)
  }

  /// Another `infra/local/up` on the same directory.
  func upAgain() throws -> Program { try Self.program("up", in: self.directory, []) }

  /// `infra/local/roll`, to its end.
  func roll(_ arguments: String...) async throws {
    let roll = try self.startRoll(arguments)
    let code = try await roll.exitCode(within: .seconds(300))
    print(roll.output.joined(separator: "\n"))
    if code != 0 { throw Failure("infra/local/roll", .exited(code), roll.errors) }
  }

  /// `infra/local/roll`, which goes on.
  func startRoll(_ arguments: [String]) throws -> Program {
    try Self.program("roll", in: self.directory, arguments)
  }

  /// Makes it impossible for further gateways to start.
  func removeTokenSecret() throws {
    try FileManager.default.removeItem(atPath: "\(self.directory.path.string)/secrets/tokens")
  }

  /// Where clients connect.
  var endpoint: ConnectEndpoint { ConnectEndpoint(host: "127.0.0.1", port: self.port) }

  /// A token with which `user` connects.
  func token(for user: UserName) async throws -> String {
    try await self.authenticator.token(for: user, seconds: 86_400)
  }

  /// The processes that it has started and that were not replaced, by their names.
  func processes() throws -> [String: pid_t] {
    let records = "\(self.directory.path.string)/run/processes"
    var processes: [String: pid_t] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: records) {
      // One that has just ended is gone.
      guard let text = try? String(contentsOfFile: "\(records)/\(name)/pid", encoding: .utf8)
      else { continue }
      processes[name] = pid_t(text.trimmingCharacters(in: .newlines))
    }
    return processes
  }

  /// A mistake of a script.
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }
}

extension LocalStand.Failure {
  fileprivate init(_ script: String, _ status: ExitStatus, _ errors: [String]) {
    self.init(description: "\(script) \(status): \(errors.joined(separator: "\n"))")
  }
}
