import ArgumentParser
import Foundation
import LocalRedis
import Settings

struct StandCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stand",
    abstract: "What infra/local/up and infra/local/roll run: see their --help.",
    subcommands: [StandUpCommand.self, StandRollCommand.self])
}

struct StandUpCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "up",
    abstract: "Runs Connect as production does, until Ctrl-C: infra/local/up.")

  @Option(help: "The directory of the repository.")
  var root: String

  @Option(help: "Where certificates, secrets, logs and the data are (default: ROOT/.build-local).")
  var state: String?

  @Option(help: "The first of the 33 ports to take (default: those of the last time).")
  var ports: String?

  @Option(help: "How long a gateway may take to let its clients go, in seconds.")
  var drainSeconds = "20"

  @Option(help: "The path of the connect executable.")
  var connect: String

  func run() async throws {
    let code = try await standing(as: "up") { try await self.runStand() }
    throw ExitCode(code)
  }

  private func runStand() async throws -> Int32 {
    guard let drainSeconds = number(self.drainSeconds) else {
      throw Failure(
        .running, "--drain-seconds: '\(self.drainSeconds)' is not a number of seconds")
    }
    let ports = try self.givenPorts()
    try Self.requirePrograms()
    Self.forgetSettings()
    umask(0o077)
    signal(SIGPIPE, SIG_IGN)
    let directory = try StandDirectory(self.state ?? defaultState(root: self.root))
    try directory.hold()
    defer { directory.release() }
    let chosen = try await StandPorts.choose(
      given: ports, before: directory.ports, state: directory.path)
    try directory.write("ports", "\(chosen.base)")
    try directory.makeCertificates()
    try directory.makeSecrets()
    let options = Stand.Options(
      connect: StandDirectory.absolute(self.connect), drainSeconds: drainSeconds,
      directory: directory, ports: chosen, root: self.root)
    let stand = Stand(options)
    try stand.redis.makeFiles()
    StandOutput.say("up: starting; logs are in \(directory.logs)")
    return await stand.run(greeting: try await StandGreeting(options).text())
  }

  private func givenPorts() throws(Failure) -> Int? {
    guard let text = self.ports else { return nil }
    guard let base = number(text) else {
      throw Failure(.running, "--ports: '\(text)' is not a port")
    }
    let last = 65_536 - StandPorts.count
    guard (1_024...last).contains(base) else {
      throw Failure(.running, "--ports: must be 1024 to \(last)")
    }
    return base
  }

  /// Throws if a program that the stand runs is missing.
  private static func requirePrograms() throws(Failure) {
    // Debian has haproxy there, where not every user looks.
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    setenv("PATH", "\(path):/usr/sbin", 1)
    let missing = ["haproxy", "redis-server"].filter {
      ChildProcess.find($0) == nil
    }
    guard missing.isEmpty else {
      throw Failure(
        .running,
        "missing: \(missing.joined(separator: " ")). To install, on Debian and Ubuntu: "
          + "apt-get install haproxy redis-server; on macOS: brew install haproxy redis")
    }
  }

  /// Removes settings of Redis and secrets from the environment: the stand passes its own.
  private static func forgetSettings() {
    for name in [
      "REDIS_PASSWORD", "REDIS_MODE", "REDIS_TLS_INSECURE", "AUTH_SECRET", "REDIS_CERT_FILE",
      "REDIS_KEY_FILE", "KEY_PREFIX", "ALLOWED_ORIGINS", "REGISTRY_REDIS_URL", "SERVICE_TOKEN",
    ] { unsetenv("CONNECT_\(name)") }
  }
}

struct StandRollCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "roll",
    abstract: "Restarts instances of a stand one after the other: infra/local/roll.")

  enum Services: String, CaseIterable, ExpressibleByArgument {
    case gateways, messaging, all
  }

  @Argument(help: "gateways, messaging or all.")
  var services = Services.all

  @Option(help: "Where the stand is.")
  var state: String

  @Option(help: "Cut what is left of a gateway's sockets after so many seconds, and stop it then.")
  var cutAfter: String?

  func run() async throws {
    let code = try await standing(as: "roll") {
      var cutAfter: Int?
      if let text = self.cutAfter {
        guard let seconds = number(text) else {
          throw Failure(.running, "--cut-after: '\(text)' is not a number of seconds")
        }
        cutAfter = seconds
      }
      let services: [Deployment.Service] =
        switch self.services {
        case .gateways: [.gateway]
        case .messaging: [.messaging]
        case .all: [.messaging, .gateway]
        }
      return try await StandControl.ask(
        StandRoll.Request(services: services.map(\.rawValue), cutAfter: cutAfter),
        of: StandDirectory(self.state))
    }
    throw ExitCode(code)
  }
}

/// Runs the body of a script's command; an error becomes its line, and exit code 1.
private func standing(as script: String, _ body: () async throws -> Int32) async throws -> Int32 {
  do {
    return try await body()
  } catch {
    StandOutput.say("\(script): \(error)")
    return 1
  }
}

/// Default directory of a stand. Ignored by git.
func defaultState(root: String) -> String { "\(root)/.build-local" }

/// A number of digits only.
private func number(_ text: String) -> Int? {
  text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(text) : nil
}
