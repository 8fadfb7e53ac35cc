import ArgumentParser
import Gateway
import Logging
import NIOPosix
import Redis
import ServiceMetrics
import Settings

struct GatewayCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gateway",
    abstract: "Keeps the sockets of apps: one instance of the gateway service.")

  @Option(help: "host:port for apps (default: 127.0.0.1:8080).")
  var listen: String?

  @Option(
    help: ArgumentHelp(
      """
      File with the secret before the present one: its tokens are taken, too (or the secret itself \
      in CONNECT_AUTH_PREVIOUS_SECRET).
      """,
      valueName: "path"))
  var authPreviousSecretFile: String?

  @Flag(help: "Serve the demo page at / (CONNECT_DEMO=true).")
  var demo = false

  @OptionGroup var bus: BusOptions
  @OptionGroup var registry: RegistryOptions
  @OptionGroup var auth: AuthOptions
  @OptionGroup var gateway: GatewayOptions
  @OptionGroup var durability: DurabilityOptions
  @OptionGroup var instance: InstanceOptions
  @OptionGroup var process: ProcessOptions

  func run() async throws {
    try await self.exiting(unknownVariables: .inLog) {
      var flags = self.bus.flags
      for more in [
        self.registry.flags, self.auth.flags, self.gateway.flags, self.durability.flags,
        self.instance.flags,
        self.process.flags,
      ] {
        flags.merge(more) { _, new in new }
      }
      if let listen = self.listen { flags[.listen] = listen }
      if let path = self.authPreviousSecretFile { flags[.authPreviousSecretFile] = path }
      if self.demo { flags[.demo] = "true" }
      try await Self.serve(SettingValues(flags: flags))
    }
  }

  private static func serve(_ values: SettingValues) async throws(Failure) {
    var redis = try values.redisPlaces()
    let keys = try values.keys(hasRegistryRedis: redis.registry != nil)
    let configuration = try values.gateway(
      listen: try values.listen(.listen, default: "127.0.0.1:8080"),
      id: try values.instanceID(prefix: "gateway"), keys: keys, demo: try values.isDemo())
    let management = try values.managementListen(default: "127.0.0.1:9090")
    let secret = try values.requiredSecret()
    let previous = try values.previousSecret()
    let metrics = try values.bootstrapMetrics()
    redis.count(in: RedisMetrics())
    try values.bootstrapLogging()

    var logger = Logger(label: "connect.gateway")
    logger[metadataKey: "gateway"] = "\(configuration.id)"
    let group = MultiThreadedEventLoopGroup.singleton
    var ports = PortCheck()
    ports.add(host: configuration.host, port: configuration.port, Setting.listen.flag)
    if let management {
      ports.add(host: management.host, port: management.port, Setting.managementListen.flag)
    }
    UnknownVariable.log(logger)
    try await ports.run(on: group)
    let gateway = AfterRedis { [logger, redis] in
      try await RedisStartup.connect(
        redis, keys: keys, durability: configuration.durability, on: group, logger: logger)
    } make: { [logger] clients in
      try await GatewayService(
        configuration: configuration,
        authenticator: Authenticator(secret: secret, previous: previous),
        clients: clients, group: group, logger: logger)
    }
    let services =
      try await ServiceRunner.management(
        management, metrics: metrics.store, group: group, logger: logger
      ) {
        await gateway.service?.isReady() ?? false
      } + metrics.services("gateway", EmbeddedMetric.gateway) + [gateway]
    try await ServiceRunner.run(
      services, drainSeconds: configuration.drainSeconds, logger: logger)
  }
}
