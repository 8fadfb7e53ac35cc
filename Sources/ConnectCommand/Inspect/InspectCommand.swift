import ArgumentParser
import ConnectProtocol
import Inspection
import Logging
import MessageBus
import NIOCore
import NIOPosix
import Redis
import Settings

/// Shows the data in Redis to operators.
struct InspectCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Shows what lies in Redis: streams, partitions, gateways, users, dead letters.",
    discussion: """
      Without a subcommand, an overview. It asks Redis alone, no service, so it works when these do \
      not; and it changes nothing, but for `deadletters requeue` and `deadletters drop`.

          connect inspect user bob
          connect inspect streams --json | jq '.incoming[] | select(.length > 1000)'
      """,
    subcommands: [
      InspectOverviewCommand.self, InspectStreamsCommand.self, InspectPartitionsCommand.self,
      InspectGatewaysCommand.self, InspectUserCommand.self, InspectDeadLettersCommand.self,
    ],
    defaultSubcommand: InspectOverviewCommand.self)
}

/// Options of all inspecting commands.
struct InspectOptions: ParsableArguments {
  @OptionGroup var data: DataOptions

  @Flag(help: "Print JSON, for programs.")
  var json = false

  /// Reads a report and prints it.
  ///
  /// - Parameter text: the report for a person; the width that lines may have is given.
  func show<Report: Encodable>(
    _ read: (Inspector) async throws(RedisError) -> Report, text: (Report, Int?) -> String
  ) async throws(Failure) {
    try await self.inspect { (inspector) throws(RedisError) in
      let report = try await read(inspector)
      self.print(report, text: text)
    }
  }

  /// Prints a report in the chosen form.
  func print<Report: Encodable>(_ report: Report, text: (Report, Int?) -> String) {
    let output = OutputStream.output
    output.write(
      self.json
        ? JSONText.of(report) : text(report, output.isTerminal ? output.size.columns : nil))
  }

  /// Connects, runs `body`, and turns an error of either into one line.
  func inspect(
    _ body: (Inspector) async throws(RedisError) -> Void
  ) async throws(Failure) {
    let values = SettingValues(self.data)
    let data = try DataSettings(values)
    let redis = data.redis
    var keys = data.keys
    // What is wrong is said once, and by us.
    let logger = Logger(label: "connect.inspect") { _ in SwiftLogNoOpLogHandler() }
    let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
    let clients = try await RedisStartup.reach(
      redis, on: eventLoop, waitSeconds: 0, logger: logger)
    let client = clients.makeClient(on: eventLoop)
    var result: Result<Void, Failure> = .success(())
    do throws(RedisError) {
      try await client.ready()
      let layout = try await Inspector(keys: keys, client: client).storedLayout()
      if let mismatch = PartitionGuard.mismatch(of: layout, whereUsersAre: keys) {
        result = .failure(.usage(mismatch.description))
      } else {
        keys = self.keys(keys, values, for: layout)
        try await body(Inspector(keys: keys, client: client))
      }
    } catch {
      let stranger = await Self.stranger(to: error, among: redis, on: eventLoop)
      result = .failure(stranger ?? Failure(error, from: redis))
    }
    try? await client.close().get()
    try result.get()
  }

  /// The message if one of two Redis does not know a command: which one is not in its reply, so
  /// both are asked.
  private static func stranger(
    to error: RedisError, among redis: RedisPlaces, on eventLoop: any EventLoop
  ) async -> Failure? {
    guard case .server(let reply) = error, let command = reply.unknownCommand else { return nil }
    if let registry = redis.registry {
      let refusals = try? await CommandCheck.refusals(
        of: [[command]], by: registry, on: eventLoop)
      if refusals?.first??.unknownCommand != nil {
        return Failure(error, at: registry.url, .registryRedisURL)
      }
    }
    return Failure(error, at: redis.bus.url, .redisURL)
  }

  /// Uses as many partitions as the data has, whatever is configured: looking does no harm.
  private func keys(_ keys: Keys, _ values: SettingValues, for layout: DataLayout?) -> Keys {
    let configured = keys.partitions.all.count
    guard let stored = layout?.partitions else {
      OutputStream.error.write(
        "connect: no service has started with this Redis and key prefix yet, or data was deleted\n")
      return keys
    }
    guard stored != configured, (1...BusLimits.maximumPartitions).contains(stored) else {
      return keys
    }
    if values.text(.partitions) != nil {
      OutputStream.error.write(
        "connect: the data has \(stored) partitions, not \(configured): shown are \(stored)\n")
    }
    return Keys(
      prefix: keys.prefix, partitions: PartitionMap(count: stored),
      hasRegistryRedis: keys.hasRegistryRedis)
  }
}

extension RedisClient {
  fileprivate func ready() async throws(RedisError) {
    do {
      try await self.whenReady().get()
    } catch {
      throw error as? RedisError ?? .unavailable("\(error)")
    }
  }
}

extension Failure {
  /// The message for a failed command.
  fileprivate init(_ error: RedisError, from redis: RedisPlaces) {
    let url = "\(redis)"
    switch error {
    case .unavailable, .withheld, .unanswered, .unconfirmed:
      self.init(.unavailable, "\(url): \(error)")
    case .server(let reply) where ["NOPERM", "NOAUTH", "WRONGPASS"].contains(reply.code):
      self.init(
        .refused,
        "\(url): \(reply); `connect inspect` needs more commands than the services: see "
          + "Running.md#Looking-inside-connect-inspect")
    case .server(let reply) where reply.code == "WRONGTYPE":
      self.init(.running, "\(url): \(reply); is --key-prefix that of another program?")
    case .server(let reply) where reply.code == "MOVED":
      self.init(.usage, "\(url): \(RedisServerError.clusterAdvice)")
    case .server, .unexpectedReply:
      self.init(.running, "\(url): \(error)")
    }
  }
}
