/// What the processes of a stand, its primaries and this process had used at one moment.
struct StandReading {
  let time: ContinuousClock.Instant
  /// By the names of processes. One that is gone, or of which the system does not tell, is not in it.
  private(set) var usages: [String: ProcessUsage]
  let roles: [String: MeasuredProcess.Role]
  /// Of a Redis that was started.
  let primaries: [PrimaryCounts]

  init(
    time: ContinuousClock.Instant, usages: [String: ProcessUsage],
    roles: [String: MeasuredProcess.Role], primaries: [PrimaryCounts]
  ) {
    self.time = time
    self.usages = usages
    self.roles = roles
    self.primaries = primaries
  }

  /// What the messages, connects or entries between two readings cost, each. A process that was started
  /// meanwhile counts from its start; one that has ended does not count.
  ///
  /// - Returns: nil if there were none, or if nothing is known but of the load generator.
  func cost(since earlier: StandReading, per count: Int) -> CPUCost? {
    CPUCost(self.microseconds(since: earlier), per: Double(count))
  }

  /// CPU time between two readings, in microseconds. A role without a process is not in it.
  func microseconds(since earlier: StandReading) -> [MeasuredProcess.Role: Double] {
    var microseconds: [MeasuredProcess.Role: Double] = [:]
    for (name, usage) in self.usages {
      let before = earlier.usages[name]?.cpuMicroseconds ?? 0
      microseconds[self.roles[name] ?? .other, default: 0] += usage.cpuMicroseconds - before
    }
    return microseconds
  }

  /// The same reading without a process that is about to end.
  func without(_ name: String) -> StandReading {
    var reading = self
    reading.usages[name] = nil
    return reading
  }

  func seconds(since earlier: StandReading) -> Double { (self.time - earlier.time) / .seconds(1) }

  func primaries(since earlier: StandReading) -> [PrimaryCounts] {
    zip(self.primaries, earlier.primaries).map { $0 - $1 }
  }
}

extension StandReading {
  init(of stand: BenchStand) async throws {
    // First: the command that asks takes CPU time of Redis.
    let primaries = try await stand.primaryCounts()
    var usages: [String: ProcessUsage] = [:]
    var roles: [String: MeasuredProcess.Role] = [:]
    for process in stand.processes + [.loadGenerator] {
      usages[process.name] = ProcessUsage(of: process.processIdentifier)
      roles[process.name] = process.role
    }
    self.init(time: .now, usages: usages, roles: roles, primaries: primaries)
  }
}
