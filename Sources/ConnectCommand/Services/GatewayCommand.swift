import ArgumentParser
import Gateway
import Logging
import NIOPosix
import Redis
import ServiceMetrics

struct GatewayCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gateway",
    abstract: "Keeps the sockets of apps: one instance of the gateway service.")

  @Option(help: "host:port for apps (default: 127.0.0.1:8080).")
  var listen: String?

  @Flag(help: "Serve the demo page at / (CONNECT_DEMO=true).")
  var demo = false

  @OptionGroup var bus: BusOptions
  @OptionGroup var auth: AuthOptions
  @OptionGroup var gateway: GatewayOptions
  @OptionGroup var durability: DurabilityOptions
  @OptionGroup var instance: InstanceOptions
  @OptionGroup var process: ProcessOptions

  func run() async throws {
    try await self.exiting {
      var flags = self.bus.flags
      for more in [
        self.auth.flags, self.gateway.flags, self.durability.flags, self.instance.flags,
        self.process.flags,
      ] {
        flags.merge(more) { _, new in new }
      }
      if let listen = self.listen { flags[.listen] = listen }
      if self.demo { flags[.demo] = "true" }
      try await Self.serve(SettingValues(flags: flags))
    }
  }

  private static func serve(_ values: SettingValues) async throws(Failure) {
    var redis = try values.redis()
    let keys = try values.keys()
    let configuration = try values.gateway(
      listen: try values.listen(.listen, default: "127.0.0.1:8080"),
      id: try values.instanceID(prefix: "gateway"), keys: keys, demo: try values.isDemo())
    let management = try values.managementListen(default: "127.0.0.1:9090")
    let secret = try values.requiredSecret()
    let metrics = try values.bootstrapMetrics()
    redis.metrics = RedisMetrics()
    try values.bootstrapLogging()

    var logger = Logger(label: "connect.gateway")
    logger[metadataKey: "gateway"] = "\(configuration.id)"
    let group = MultiThreadedEventLoopGroup.singleton
    let gateway = AfterRedis { [logger, redis] in
      try await RedisStartup.connect(redis, keys: keys, on: group, logger: logger)
    } make: { [logger] clients in
      try await GatewayService(
        configuration: configuration, authenticator: Authenticator(secret: secret),
        clients: clients, group: group, logger: logger)
    }
    let services =
      ServiceRunner.management(
        management, metrics: metrics.store, group: group, logger: logger
      ) {
        await gateway.service?.isReady() ?? false
      } + metrics.services("gateway", EmbeddedMetric.gateway) + [gateway]
    try await ServiceRunner.run(
      services, drainSeconds: configuration.drainSeconds, logger: logger)
  }
}
