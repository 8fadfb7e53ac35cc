import ArgumentParser
import Gateway
import MessageBus
import Settings

struct DevCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dev",
    abstract: "Runs everything in one process, and prints two links to chat with.",
    discussion: """
      Starts a private redis-server unless --redis-url is given, one messaging service, and \
      gateways with the demo page. Everything ends with this process. For development only: the \
      links contain tokens.
      """)

  private enum Default {
    static let gateways = 2
    static let port = 8080
  }

  @Option(
    help: "Number of gateways, 1 to 16 (default: \(Default.gateways)).",
    transform: ArgumentRules.wholeNumber(1...16))
  var gateways = Default.gateways

  @Option(
    help: "Port of the first gateway; the next ones follow (default: \(Default.port)).",
    transform: ArgumentRules.wholeNumber(1...65_535))
  var port = Default.port

  @Option(
    help: ArgumentHelp(
      "Keep the data here: the private Redis then writes each change (AOF).", valueName: "dir"))
  var data: String?

  @OptionGroup var redis: RedisOptions
  @OptionGroup var keys: KeyOptions
  @OptionGroup var auth: AuthOptions
  @OptionGroup var gateway: GatewayOptions
  @OptionGroup var messaging: MessagingOptions
  @OptionGroup var durability: DurabilityOptions
  @OptionGroup var retention: RetentionOptions
  @OptionGroup var api: APIOptions
  @OptionGroup var log: LogOptions

  func plan(_ values: SettingValues) throws(Failure) -> DevStand.Plan {
    let lastPort = 65_536 - self.gateways
    guard self.port <= lastPort else {
      throw Failure.usage(
        "--port: '\(self.port)' is not from 1 to \(lastPort), so that each gateway has a port")
    }
    if self.data != nil, values.text(.redisURL) != nil {
      throw Failure.usage("--data is for the private Redis, and cannot go with --redis-url")
    }
    let keys = try values.keys()
    let redis = try values.givenRedis()
    let (secret, secretLocation) = try values.secretMakingOne()
    let gateways = try (0..<self.gateways).map { index throws(Failure) in
      try values.gateway(
        listen: ListenAddress(host: "127.0.0.1", port: self.port + index),
        id: InstanceID("gateway-\(index + 1)")!, keys: keys, demo: true,
        drainSeconds: DevStand.drainSeconds)
    }
    let messaging = try values.messaging(
      id: try values.instanceID(prefix: "messaging"), keys: keys)
    return DevStand.Plan(
      gateways: gateways, messaging: messaging, api: try values.api(beside: messaging),
      redis: redis, dataDirectory: self.data, secret: secret,
      secretLocation: secretLocation, log: try LogSettings(values, default: .warning))
  }

  func run() async throws {
    try await self.exiting(unknownVariables: .inLog) {
      try await DevStand(self.plan(SettingValues(self))).run()
    }
  }
}
