import ArgumentParser
import Inspection
import MessageBus
import Redis
import Settings

struct InspectPartitionsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "partitions",
    abstract: "Partitions with owner, lease and backlog, and the messaging instances.")

  @OptionGroup var options: InspectOptions

  func run() async throws {
    try await self.exiting {
      try await self.options.show { (inspector) throws(RedisError) in
        try await inspector.partitions()
      } text: {
        $0.text(width: $1)
      }
    }
  }
}

struct InspectGatewaysCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gateways", abstract: "Gateways with address, connections and stream.")

  @OptionGroup var options: InspectOptions

  func run() async throws {
    try await self.exiting {
      try await self.options.show { (inspector) throws(RedisError) in
        try await inspector.gateways()
      } text: {
        $0.text(width: $1)
      }
    }
  }
}

extension PartitionReport {
  static func table(_ partitions: some Sequence<PartitionReport>) -> TextTable {
    var table = TextTable([
      ("PARTITION", .right), ("OWNER", .left), ("LEASE", .right), ("BACKLOG", .right),
      ("OLDEST", .right), ("STREAM", .left),
    ])
    for report in partitions {
      table.add(
        "\(report.partition)", report.owner ?? "(none)",
        Quantity.span(milliseconds: report.leaseMilliseconds), "\(report.backlog)",
        Quantity.span(
          milliseconds: report.incoming.reader?.oldestUnfinishedAgeMilliseconds),
        report.incoming.stream)
    }
    return table
  }
}

extension PartitionsReport {
  func text(width: Int?) -> String {
    var table = TextTable([
      ("MESSAGING", .left), ("ALIVE", .left), ("PARTITIONS", .right), ("UP", .right),
      ("HOST", .left), ("PID", .right), ("VERSION", .left),
    ])
    for report in self.messaging {
      table.add(
        report.instance, report.isAlive ? "yes" : "no", "\(report.partitions)",
        Quantity.age(of: report.startedAtMilliseconds, at: self.atMilliseconds),
        report.fields["host"] ?? Quantity.none, report.fields["pid"] ?? Quantity.none,
        report.fields["version"] ?? Quantity.none)
    }
    let members =
      self.messaging.isEmpty ? "no messaging instance has joined\n" : table.text(width: width)
    return PartitionReport.table(self.partitions).text(width: width) + "\n" + members
  }
}

extension GatewaysReport {
  func text(width: Int?) -> String {
    guard !self.gateways.isEmpty else { return "no gateway is known\n" }
    var table = TextTable([
      ("GATEWAY", .left), ("ALIVE", .left), ("ADDRESS", .left), ("CONNECTIONS", .right),
      ("UP", .right), ("WAITING", .right), ("VERSION", .left),
    ])
    for report in self.gateways {
      table.add(
        report.gateway, report.isAlive ? "yes" : "no", report.fields["address"] ?? Quantity.none,
        report.fields["connections"] ?? Quantity.none,
        Quantity.age(of: report.startedAtMilliseconds, at: self.atMilliseconds),
        "\(report.length)", report.fields["version"] ?? Quantity.none)
    }
    let rest = self.total - self.gateways.count
    return table.text(width: width) + (rest > 0 ? "and \(rest) more\n" : "")
  }
}
