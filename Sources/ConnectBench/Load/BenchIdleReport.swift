import MessageBus

struct BenchIdleReport: Report {
  /// Cost of one connection for a process that has its share of them.
  struct Process: Encodable {
    let name: String
    let bytesPerConnection: Double
    /// Once per connection, for opening it.
    let openCPUMicrosecondsPerConnection: Double
    let cpuMicrosecondsPerConnectionAndSecond: Double
    let residentBytes: Int
  }

  /// Cost of one connection for all primaries of a Redis that was started, together.
  struct Redis: Encodable {
    /// Once per connection, for opening it.
    let openCommandsPerConnection: Double
    let commandsPerConnectionAndSecond: Double
  }

  let benchmark = "idle"
  let version = ConnectVersion.text
  let setup: BenchSetup
  let connections: Int
  /// How long they stayed open.
  let seconds: Double
  private(set) var processes: [Process] = []
  private(set) var redis: Redis?

  init(setup: BenchSetup, connections: Int, seconds: Double) {
    self.setup = setup
    self.connections = connections
    self.seconds = seconds
  }

  mutating func add(
    _ name: String, before: ProcessUsage, opened: ProcessUsage, after: ProcessUsage
  ) {
    // Each gateway has its share of the connections.
    let share =
      Double(self.connections) / (name.hasPrefix("gateway") ? Double(self.setup.gateways) : 1)
    self.processes.append(
      Process(
        name: name,
        bytesPerConnection: Double(after.residentBytes - before.residentBytes) / share,
        openCPUMicrosecondsPerConnection: (opened.cpuMicroseconds - before.cpuMicroseconds) / share,
        cpuMicrosecondsPerConnectionAndSecond: (after.cpuMicroseconds - opened.cpuMicroseconds)
          / share / self.seconds,
        residentBytes: after.residentBytes))
  }

  mutating func addRedis(
    before: [PrimaryCounts], opened: [PrimaryCounts], after: [PrimaryCounts]
  ) {
    guard !before.isEmpty else { return }
    let count = Double(self.connections)
    let opening = zip(opened, before).map { $0 - $1 }
    let idling = zip(after, opened).map { $0 - $1 }
    self.redis = Redis(
      openCommandsPerConnection: Double(opening.reduce(0) { $0 + $1.commands }) / count,
      commandsPerConnectionAndSecond:
        Double(idling.reduce(0) { $0 + $1.commands }) / count / self.seconds)
  }

  func table() -> String {
    var lines = self.setup.lines()
    lines += self.processes.map { process in
      """
      \(process.name): \(Self.decimal(process.bytesPerConnection, 0)) bytes of memory and \
      \(Self.decimal(process.cpuMicrosecondsPerConnectionAndSecond, 2)) µs of CPU a second per \
      connection, \(Self.decimal(process.openCPUMicrosecondsPerConnection, 0)) µs to open it; \
      \(Self.decimal(Double(process.residentBytes) / 1_048_576, 1)) MiB resident
      """
    }
    if let redis = self.redis {
      lines.append(
        """
        commands: \(Self.decimal(redis.openCommandsPerConnection, 1)) to open a connection, and \
        \(Self.decimal(redis.commandsPerConnectionAndSecond, 3)) a second
        """)
    }
    return lines.joined(separator: "\n")
  }
}
