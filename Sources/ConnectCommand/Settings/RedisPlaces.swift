import Redis

/// The Redis of a deployment: one, or two.
struct RedisPlaces: Sendable, CustomStringConvertible {
  /// That of the bus, and of everything if there is no other.
  private(set) var bus: RedisConfiguration
  /// That of all that belongs to a user, if it has one of its own.
  private(set) var registry: RedisConfiguration?

  init(bus: RedisConfiguration, registry: RedisConfiguration? = nil) {
    self.bus = bus
    self.registry = registry
  }

  /// Counts both in the same metrics.
  mutating func count(in metrics: RedisMetrics) {
    self.bus.metrics = metrics
    self.registry?.metrics = metrics
  }

  /// Where they are, for messages.
  var description: String {
    "\(self.bus.url)" + (self.registry.map { " and \($0.url)" } ?? "")
  }
}
