import ArgumentParser
import BackendAPI
import Logging
import Messaging
import NIOPosix
import Redis
import ServiceMetrics
import Settings

struct MessagingCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "messaging",
    abstract: "Stores and routes messages: the messaging service.",
    discussion: """
      Run two or more: they share the partitions, and when one stops or dies the others take over.
      """)

  @OptionGroup var data: DataOptions
  @OptionGroup var messaging: MessagingOptions
  @OptionGroup var durability: DurabilityOptions
  @OptionGroup var retention: RetentionOptions
  @OptionGroup var api: APIOptions
  @OptionGroup var apiLimits: APILimitOptions
  @OptionGroup var instance: InstanceOptions
  @OptionGroup var metrics: MetricsOptions
  @OptionGroup var log: LogOptions

  /// All that the service is told.
  struct Settings {
    let data: DataSettings
    let messaging: MessagingConfiguration
    let api: BackendAPIConfiguration?
    let management: ListenAddress?
    let metricsLog: MetricsLogSettings?
    let log: LogSettings
  }

  static func settings(_ values: SettingValues) throws(Failure) -> Settings {
    let data = try DataSettings(values)
    let messaging = try values.messaging(
      id: try values.instanceID(prefix: "messaging"), keys: data.keys)
    return Settings(
      data: data, messaging: messaging, api: try values.api(beside: messaging),
      management: try values.managementListen(defaultPort: 9_091),
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
    let (configuration, management) = (settings.messaging, settings.management)
    var api = settings.api
    let apiMetrics = APIMetrics()
    api?.onAnswer = { apiMetrics.count($0) }

    var logger = Logger(label: "connect.messaging")
    logger[metadataKey: "messaging"] = "\(configuration.id)"
    let group = MultiThreadedEventLoopGroup.singleton
    var ports = PortCheck()
    if let management {
      ports.add(host: management.host, port: management.port, Setting.managementListen.flag)
    }
    if let api { ports.add(host: api.host, port: api.port, Setting.apiListen.flag) }
    UnknownVariable.log(logger)
    try await ports.run(on: group)
    let messaging = AfterRedis { [logger, redis] in
      try await RedisStartup.connect(
        redis, keys: configuration.keys, durability: configuration.durability, on: group,
        logger: logger)
    } make: { [logger, api] clients in
      let messaging = MessagingService(
        configuration: configuration, clients: clients, group: group,
        fields: InstanceDescription.fields, logger: logger)
      var backends: BackendAPIService?
      if let api {
        backends = try await BackendAPIService(
          configuration: api, clients: clients, group: group, logger: logger)
      }
      return MessagingWithAPI(messaging: messaging, api: backends)
    }
    let services =
      try await ServiceRunner.management(
        management, metrics: metrics, group: group, logger: logger
      ) {
        await messaging.service?.isReady() ?? false
      } + metrics.log(settings.metricsLog, of: "messaging", EmbeddedMetric.messaging) + [messaging]
    try await ServiceRunner.run(services, logger: logger)
  }
}
