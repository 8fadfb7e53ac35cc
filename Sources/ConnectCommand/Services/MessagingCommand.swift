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

  @OptionGroup var bus: BusOptions
  @OptionGroup var registry: RegistryOptions
  @OptionGroup var messaging: MessagingOptions
  @OptionGroup var durability: DurabilityOptions
  @OptionGroup var api: APIOptions
  @OptionGroup var apiLimits: APILimitOptions
  @OptionGroup var instance: InstanceOptions
  @OptionGroup var process: ProcessOptions

  func run() async throws {
    try await self.exiting(unknownVariables: .inLog) {
      var flags = self.bus.flags
      for more in [
        self.registry.flags, self.messaging.flags, self.durability.flags, self.api.flags,
        self.apiLimits.flags, self.instance.flags, self.process.flags,
      ] {
        flags.merge(more) { _, new in new }
      }
      try await Self.serve(SettingValues(flags: flags))
    }
  }

  private static func serve(_ values: SettingValues) async throws(Failure) {
    var redis = try values.redisPlaces()
    let keys = try values.keys(hasRegistryRedis: redis.registry != nil)
    let id = try values.instanceID(prefix: "messaging")
    let configuration = try values.messaging(id: id, keys: keys)
    var api = try values.api(beside: configuration)
    let apiMetrics = APIMetrics()
    api?.onAnswer = { apiMetrics.count($0) }
    let management = try values.managementListen(default: "127.0.0.1:9091")
    let metrics = try values.bootstrapMetrics()
    redis.count(in: RedisMetrics())
    try values.bootstrapLogging()

    var logger = Logger(label: "connect.messaging")
    logger[metadataKey: "messaging"] = "\(id)"
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
        redis, keys: keys, durability: configuration.durability, on: group, logger: logger)
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
        management, metrics: metrics.store, group: group, logger: logger
      ) {
        await messaging.service?.isReady() ?? false
      } + metrics.services("messaging", EmbeddedMetric.messaging) + [messaging]
    try await ServiceRunner.run(services, logger: logger)
  }
}
