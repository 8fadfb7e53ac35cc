import Redis

/// The Redis of a deployment: one, or two.
struct RedisPlaces: Sendable, CustomStringConvertible {
  /// For the bus, and for everything if there is no other.
  private(set) var bus: RedisConfiguration
  /// For the data of users, if it has a Redis of its own.
  private(set) var registry: RedisConfiguration?

  init(bus: RedisConfiguration, registry: RedisConfiguration? = nil) {
    self.bus = bus
    self.registry = registry
  }

  mutating func count(in metrics: RedisMetrics) {
    self.bus.metrics = metrics
    self.registry?.metrics = metrics
  }

  /// Both addresses, for messages.
  var description: String {
    "\(self.bus.url)" + (self.registry.map { " and \($0.url)" } ?? "")
  }
}
