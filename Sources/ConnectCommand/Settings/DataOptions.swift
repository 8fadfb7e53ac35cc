import ArgumentParser
import MessageBus
import Redis
import Settings

/// Options of all commands that use Redis: the layout of the data in it.
struct KeyOptions: ParsableArguments {
  @Option(help: "Prefix of all keys (default: \(Keys.defaultPrefix)).")
  var keyPrefix: String?

  @Option(
    help: """
      Number of partitions (default: \(BusLimits.defaultPartitions)). Part of the data: the same for \
      every service, and not to be changed later.
      """)
  var partitions: String?
}

/// Options of commands that support two Redis.
struct DataOptions: ParsableArguments {
  @OptionGroup var redis: RedisOptions
  @OptionGroup var keys: KeyOptions
  @OptionGroup var registry: RegistryOptions
}

/// Where the data is, and its layout.
struct DataSettings {
  /// Either one Redis or two.
  var redis: RedisPlaces
  let keys: Keys

  init(_ values: SettingValues) throws(Failure) {
    self.redis = try values.redisPlaces()
    self.keys = try values.keys(hasRegistryRedis: self.redis.registry != nil)
  }
}

extension SettingValues {
  func keys(hasRegistryRedis: Bool = false) throws(Failure) -> Keys {
    var count = BusLimits.defaultPartitions
    try self.read(.partitions, 1...BusLimits.maximumPartitions, into: &count)
    let prefix = try self.value(
      .keyPrefix, expected: "1 to 64 printable ASCII characters without braces and spaces"
    ) { text in
      let isValid = text.utf8.allSatisfy { (0x21...0x7e).contains($0) && $0 != 0x7b && $0 != 0x7d }
      return isValid && (1...64).contains(text.utf8.count) ? text : nil
    }
    return Keys(
      prefix: prefix ?? Keys.defaultPrefix, partitions: PartitionMap(count: count),
      hasRegistryRedis: hasRegistryRedis)
  }
}
