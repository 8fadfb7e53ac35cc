import Inspection
import MessageBus
import Redis

/// Measures now and then the lag of an instance's partitions, for its metrics.
struct LagWatch {
  private let inspector: Inspector
  private let metrics: MessagingMetrics
  private var meters: [Partition: MessagingMetrics.Lag] = [:]

  init(keys: Keys, client: any RedisClient, metrics: MessagingMetrics) {
    self.inspector = Inspector(keys: keys, client: client)
    self.metrics = metrics
  }

  /// Runs until the task is cancelled.
  mutating func run(partitions: () async -> [Partition]) async {
    while !Task.isCancelled {
      await self.look(at: await partitions())
      try? await Task.sleep(for: .seconds(MessagingLimits.lagSeconds))
    }
    for meters in self.meters.values { meters.destroy() }
  }

  private mutating func look(at partitions: [Partition]) async {
    let owned = Set(partitions)
    for (partition, meters) in self.meters where !owned.contains(partition) {
      meters.destroy()
      self.meters[partition] = nil
    }
    // An outage is reported by the client; what was known before it stays.
    guard let lags = try? await self.inspector.lag(of: partitions) else { return }
    for (partition, lag) in zip(partitions, lags) {
      let meters = self.meters[partition] ?? self.metrics.lag(of: partition)
      self.meters[partition] = meters
      meters.set(lag)
    }
  }
}
