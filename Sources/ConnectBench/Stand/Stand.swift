import Foundation
import LocalRedis
import Settings
import Synchronization
import UnixSignals

/// Connect as production runs it, as processes on 127.0.0.1: a Redis cluster, messaging instances,
/// gateways, and HAProxy in front of them.
///
/// All of them end with this process, however that ends: each is a ``ChildProcess``.
final class Stand: Sendable {
  /// Options of a stand.
  struct Options: Sendable {
    /// Path of the `connect` executable.
    let connect: String
    /// Time, in seconds, that a stopping gateway has to close its connections.
    let drainSeconds: Int
    let directory: StandDirectory
    let ports: StandPorts
    /// Directory of the repository.
    let root: String
  }

  private struct Stopped: Error {}

  private struct State {
    var isToStop = false
    var isRolling = false
  }

  let options: Options
  let balancer: StandBalancer
  let redis: StandRedis
  private let processes = Deployment.Instances()
  private let state = Mutex(State())

  init(_ options: Options) {
    self.options = options
    self.balancer = StandBalancer(port: options.ports[.admin])
    self.redis = StandRedis(
      directory: options.directory, ports: options.ports, root: options.root)
  }

  /// Starts everything, prints `greeting` once clients are served, goes on until it is asked to end or
  /// a process ends unasked, and ends everything.
  ///
  /// - Returns: the exit code.
  func run(greeting: String) async -> Int32 {
    let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup)
    return await withTaskGroup { group in
      group.addTask {
        for await _ in signals { self.stop() }
      }
      defer { group.cancelAll() }
      return await self.keep(greeting: greeting)
    }
  }

  /// Asks it to end; the second time, ends everything at once.
  private func stop() {
    let wasAsked = self.state.withLock { state in
      defer { state.isToStop = true }
      return state.isToStop
    }
    guard wasAsked else { return }
    for instance in self.processes.all { instance.process.signal(SIGKILL) }
    self.options.directory.release()
    StandOutput.say("up: everything was killed")
    exit(1)
  }

  private func keep(greeting: String) async -> Int32 {
    var code: Int32 = 0
    do {
      try await withThrowingTaskGroup { group in
        group.addTask {
          try await self.bringUp()
          try await StandControl.serve(self, ready: { StandOutput.show(greeting) })
        }
        group.addTask { try await self.watch() }
        defer { group.cancelAll() }
        try await group.next()
      }
    } catch is Stopped {
      code = 0
    } catch {
      StandOutput.say("up: \(error)")
      code = 1
    }
    StandOutput.say("up: stopping")
    // Gateways without a load balancer have no clients whom they would have to let go slowly.
    for service in [Deployment.Service.balancer, .gateway, .messaging, .redis] {
      await Deployment.Instances.end(self.running(service), grace: StandLimits.stop) {
        StandOutput.say(
          "up: \($0.id) did not end within \(StandLimits.stop.components.seconds) s, "
            + "and was killed")
      }
    }
    return code
  }

  /// Starts everything, in the order of dependence; returns when clients are served.
  private func bringUp() async throws {
    let nodes = try await self.redis.start()
    for (index, node) in nodes.enumerated() {
      try self.add(.redis, name: "redis-\(index + 1)", place: index + 1, node.process)
    }
    var instances: [Deployment.Instance] = []
    for place in 1...StandLimits.instances {
      instances.append(try self.start(.messaging, place: place))
      instances.append(try self.start(.gateway, place: place))
    }
    try self.startBalancer()
    for instance in instances {
      do {
        try await self.waitUntilServing(instance)
      } catch let failure as Failure {
        throw Failure(
          .running,
          (instance.ending ?? "\(failure)") + "\n" + self.options.directory.lastLines(instance.id))
      }
    }
  }

  /// Waits until a gateway or a messaging instance is ready, and the load balancer takes it for healthy.
  func waitUntilServing(_ instance: Deployment.Instance) async throws {
    let port = self.options.ports[StandPorts.management(of: instance.service), instance.place]
    do {
      _ = try await instance.program.answer("readiness", within: StandLimits.start) {
        await Loopback.isReady(port) ? true : nil
      }
    } catch is TimedOut {
      throw Failure(.running, "\(instance.id) is not ready")
    }
    do {
      _ = try await instance.program.answer("health", within: StandLimits.notice) {
        await self.balancer.isUp(instance.server) ? true : nil
      }
    } catch is TimedOut {
      throw Failure(.running, "the load balancer does not take \(instance.id) for healthy")
    }
  }

  /// Goes on until there is a reason to end, and throws that.
  private func watch() async throws {
    while true {
      try self.check()
      try await Task.sleep(for: StandLimits.poll)
    }
  }

  /// Throws if there is a reason to end; drops processes that have ended on request.
  private func check() throws {
    let ended = self.processes.takeEnded()
    for instance in ended { self.options.directory.forget(instance) }
    if self.state.withLock(\.isToStop) { throw Stopped() }
    guard let unasked = ended.first(where: \.hasEndedUnasked), let ending = unasked.ending
    else { return }
    throw Failure(.running, "\(ending)\n\(self.options.directory.lastLines(unasked.id))")
  }

  // MARK: Processes

  /// Those of a service that run, in the order of their start.
  func running(_ service: Deployment.Service) -> [Deployment.Instance] {
    self.processes.running(service)
  }

  @discardableResult
  private func start(
    _ service: Deployment.Service, name: String, place: Int, _ executable: String,
    _ arguments: [String], environment: [String: String] = [:], isOnTrial: Bool = false
  ) throws -> Deployment.Instance {
    let log = ChildProcess.Output.file(path: self.options.directory.log(name))
    let process = try ChildProcess(
      executable: executable, arguments: arguments, environment: environment,
      standardOutput: log, standardError: log)
    return try self.add(service, name: name, place: place, process, isOnTrial: isOnTrial)
  }

  /// Takes over a process.
  @discardableResult
  private func add(
    _ service: Deployment.Service, name: String, place: Int, _ process: ChildProcess,
    isOnTrial: Bool = false
  ) throws -> Deployment.Instance {
    let instance = Deployment.Instance(
      service, id: name, program: Program(process), place: place, isOnTrial: isOnTrial)
    self.processes.add(instance)
    try self.options.directory.note(instance)
    return instance
  }

  /// Starts one more gateway or messaging instance, at a place where none runs.
  func start(
    _ service: Deployment.Service, place: Int, isOnTrial: Bool = false
  ) throws -> Deployment.Instance {
    let name = try self.options.directory.nextName(service)
    let ports = self.options.ports
    let directory = self.options.directory
    let management = ports[StandPorts.management(of: service), place]
    var arguments = [service.rawValue, "--instance-id", name] + self.redis.arguments
    arguments += ["--management-listen", "127.0.0.1:\(management)"]
    if service == .gateway {
      arguments += [
        "--listen", "127.0.0.1:\(ports[.gateway, place])",
        "--auth-secret-file", directory.secretFile("tokens"),
        "--drain-seconds", "\(self.options.drainSeconds)", "--demo",
      ]
    } else {
      arguments += [
        "--api-listen", "127.0.0.1:\(ports[.messagingAPI, place])",
        "--service-token-file", directory.secretFile("service-token"),
      ]
    }
    return try self.start(
      service, name: name, place: place, self.options.connect, arguments, isOnTrial: isOnTrial)
  }

  private func startBalancer() throws {
    let ports = self.options.ports
    var environment = [
      "LB_HTTP": "127.0.0.1:\(ports[.http])", "LB_HTTPS": "127.0.0.1:\(ports[.https])",
      "LB_API": "127.0.0.1:\(ports[.api])",
      "LB_STATISTICS": "127.0.0.1:\(ports[.statistics])",
      "LB_ADMIN": "ipv4@127.0.0.1:\(ports[.admin])",
      "LB_CERTIFICATE": "\(self.options.directory.path)/certificates/front.pem",
    ]
    for place in 1...StandLimits.places {
      environment["GATEWAY_\(place)"] = "127.0.0.1:\(ports[.gateway, place])"
      environment["MESSAGING_\(place)"] = "127.0.0.1:\(ports[.messagingAPI, place])"
    }
    let files = "\(self.options.root)/infra/local"
    try self.start(
      .balancer, name: "balancer-1", place: 1, "haproxy",
      ["-db", "-f", "\(files)/haproxy.cfg", "-f", "\(files)/haproxy-api.cfg"],
      environment: environment)
  }

  // MARK: Rolling restarts

  /// Does something unless a rolling restart is under way: two would take each other's instances for
  /// the old ones.
  func rolling(_ body: () async throws -> Void) async throws {
    let isFirst = self.state.withLock { state in
      defer { state.isRolling = true }
      return !state.isRolling
    }
    guard isFirst else {
      throw Failure(
        .running, "another infra/local/roll is under way on \(self.options.directory.path)")
    }
    defer { self.state.withLock { $0.isRolling = false } }
    try await body()
  }
}

/// Output for people. A closed terminal, which nobody can read, is a reason to stop.
enum StandOutput {
  static func show(_ text: String) {
    try? FileHandle.standardOutput.write(contentsOf: Data("\(text)\n".utf8))
  }

  static func say(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data("\(text)\n".utf8))
  }
}
