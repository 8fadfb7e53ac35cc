import ArgumentParser
import Inspection
import MessageBus
import Redis
import Settings

struct InspectOverviewCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "overview", abstract: "Everything at a glance (the default).")

  /// Partitions shown: those with the largest backlog.
  static let shownPartitions = 5

  @OptionGroup var options: InspectOptions

  func run() async throws {
    try await self.exiting {
      try await self.options.show { (inspector) throws(RedisError) in
        try await inspector.overview()
      } text: {
        $0.text(width: $1)
      }
    }
  }
}

extension OverviewReport {
  func text(width: Int?) -> String {
    let partitions = self.partitions.partitions
    let backlog = partitions.reduce(0) { $0 + $1.backlog }
    let unowned = partitions.filter { $0.owner == nil }.count
    let messaging = self.partitions.messaging
    let gateways = self.gateways.gateways
    let connections = gateways.filter(\.isAlive).reduce(0) { $0 + ($1.connections ?? 0) }
    var text = self.server.text()
    if let registry = self.registry { text += registry.text(of: "Registry") }
    text += "Messaging     \(Self.alive(messaging.map(\.isAlive)))\n"
    text += "Gateways      \(Self.alive(gateways.map(\.isAlive)))"
    text += ", \(Quantity.count(connections, "connection"))\n"
    text += "Partitions    \(partitions.count), "
    text += unowned == 0 ? "all owned" : "\(unowned) without an owner"
    text += "; backlog \(backlog)\n"
    text += "Dead letters  \(self.deadLetters)\n"

    let largest = partitions.filter { $0.backlog > 0 }
      .sorted { ($1.backlog, $0.partition) < ($0.backlog, $1.partition) }
      .prefix(InspectOverviewCommand.shownPartitions)
    guard !largest.isEmpty else { return text }
    return text + "\n" + PartitionReport.table(largest).text(width: width)
  }

  private static func alive(_ instances: [Bool]) -> String {
    let alive = instances.filter { $0 }.count
    let gone = instances.count - alive
    return "\(alive) alive" + (gone == 0 ? "" : ", \(gone) gone")
  }
}

extension ServerReport {
  /// Lines about the server; those with `!` ask for something to be done.
  ///
  /// - Parameter part: what it has, where there are two.
  func text(of part: String? = nil) -> String {
    let name = self.name == "valkey" ? "Valkey" : "Redis"
    var text = part.map { $0.padding(to: 14) + "\(name) " } ?? name.padding(to: 14)
    text += self.version
    if self.isClusterNode { text += ", one node of a cluster" }
    if let seconds = self.uptimeSeconds {
      text += ", up \(Quantity.span(milliseconds: Quantity.milliseconds(seconds: seconds)))"
    }
    if let clients = self.clients { text += ", \(Quantity.count(clients, "client"))" }
    text += "\nMemory        \(self.usedBytes.map(Quantity.bytes) ?? Quantity.none)"
    if self.isClusterNode { text += " of this node" }
    if let maximum = self.maximumBytes, maximum > 0 {
      text += " of \(Quantity.bytes(maximum))"
    } else {
      text += ", no limit"
    }
    if let policy = self.evictionPolicy { text += ", \(policy)" }
    if let isOn = self.hasAppendOnlyFile { text += ", append-only file \(isOn ? "on" : "off")" }
    text += "\n"
    if let policy = self.evictionPolicy, policy != "noeviction" {
      text += "! maxmemory-policy is \(policy): when memory is short, mailboxes are deleted\n"
    }
    return text
  }
}

extension String {
  fileprivate func padding(to count: Int) -> String {
    self + String(repeating: " ", count: max(0, count - self.count))
  }
}
