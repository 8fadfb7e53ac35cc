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

  private static let defaultListen = ListenAddress(host: "127.0.0.1", port: 8_080)

  @Option(help: "host:port for apps (default: \(Self.defaultListen)).")
  var listen: String?

  @OptionGroup var previousSecret: PreviousSecretOptions

  @Flag(help: "Serve the demo page at / (CONNECT_DEMO=true).")
  var demo = false

  @OptionGroup var data: DataOptions
  @OptionGroup var auth: AuthOptions
  @OptionGroup var gateway: GatewayOptions
  @OptionGroup var durability: DurabilityOptions
  @OptionGroup var retention: RetentionOptions
  @OptionGroup var instance: InstanceOptions
  @OptionGroup var metrics: MetricsOptions
  @OptionGroup var log: LogOptions

  /// All that the service is told.
  struct Settings {
    let data: DataSettings
    let gateway: GatewayConfiguration
    let management: ListenAddress?
    let secret: [UInt8]
    let previousSecret: [UInt8]?
    let metricsLog: MetricsLogSettings?
    let log: LogSettings
  }

  static func settings(_ values: SettingValues) throws(Failure) -> Settings {
    let data = try DataSettings(values)
    return Settings(
      data: data,
      gateway: try values.gateway(
        listen: try values.listen(.listen) ?? Self.defaultListen,
        id: try values.instanceID(prefix: "gateway"), keys: data.keys,
        demo: try values.flag(.demo)),
      management: try values.managementListen(defaultPort: 9_090),
      secret: try values.requiredSecret(), previousSecret: try values.previousSecret(),
      metricsLog: try MetricsLogSettings(values), log: try LogSettings(values))
  }

  func run() async throws {
    try await self.exiting(unknownVariables: .inLog) {
      try await Self.serve(Self.settings(SettingValues(self)))
    }
  }

  private static func serve(_ settings: Settings) async throws(Failure) {
    let metrics = MetricsStore.bootstrap()
    var redis = settings.data.redis
    redis.count(in: RedisMetrics())
    settings.log.bootstrap()
    let (configuration, management) = (settings.gateway, settings.management)

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
        redis, keys: configuration.keys, durability: configuration.durability, on: group,
        logger: logger)
    } make: { [logger] clients in
      try await GatewayService(
        configuration: configuration,
        authenticator: Authenticator(
          secret: settings.secret, previous: settings.previousSecret),
        clients: clients, group: group, logger: logger)
    }
    let services =
      try await ServiceRunner.management(
        management, metrics: metrics, group: group, logger: logger
      ) {
        await gateway.service?.isReady() ?? false
      } + metrics.log(settings.metricsLog, of: "gateway", EmbeddedMetric.gateway) + [gateway]
    try await ServiceRunner.run(
      services, drainSeconds: configuration.drainSeconds, logger: logger)
  }
}
