extension CurveReport {
  /// How an earlier run was measured otherwise than this one, so that ratios say less or nothing about the builds.
  func differences(from earlier: CurveReport) -> [String] {
    let names = [
      "machine", "gateways", "messaging", "partitions", "primaries", "Redis", "second Redis",
      "version of Redis", "AOF", "durability", "connections", "bytes per body", "seconds per rate",
      "rounds",
    ]
    return zip(names, zip(earlier.conditions, self.conditions)).compactMap { name, values in
      let (then, now) = values
      return then == now ? nil : "\(name): \(then ?? "not known") then, \(now ?? "not known") now"
    }
  }

  private var conditions: [String?] {
    let numbers = [
      self.setup.gateways, self.setup.messaging, self.setup.partitions, self.setup.primaries,
    ]
    return [self.setup.machine.text] + numbers.map { $0.map { "\($0)" } } + [
      self.setup.redis, self.setup.registry ?? "none", self.setup.redisVersion, self.setup.aof,
      self.setup.durability, "\(self.connections)", "\(self.bodyBytes)", "\(self.secondsPerRate)",
      "\(self.rounds)",
    ]
  }
}
