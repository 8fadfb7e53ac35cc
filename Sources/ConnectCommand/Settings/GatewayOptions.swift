import ArgumentParser
import Gateway
import MessageBus
import Settings

/// Options of gateways, also in `connect dev`.
struct GatewayOptions: ParsableArguments {
  @Option(
    help: """
      Origins from which browsers may connect, separated by commas; https://*.example.com is all \
      hosts below example.com (default: all).
      """)
  var allowedOrigins: String?

  @Option(help: "Connections at most (default: \(GatewayLimits.connections)).")
  var maxConnections: String?

  @Option(
    help: "Sends per second and user (default: \(GatewayLimits.sendsPerSecond)); 0: no limit.")
  var sendsPerSecond: String?

  @Option(
    help: """
      Requests for conversations, history and presence per second and user (default: \
      \(GatewayLimits.requestsPerSecond)); 0: no limit.
      """)
  var requestsPerSecond: String?

  @Option(
    help: "Signals per second and user (default: \(GatewayLimits.signalsPerSecond)); 0: no limit.")
  var signalsPerSecond: String?

  @Option(help: "Messages a client may leave unacked (default: \(GatewayLimits.unackedMessages)).")
  var unacked: String?

  @Option(
    help: """
      Devices of a user, connected or not, at most \(BusLimits.maximumDevices); a new one displaces \
      the one not seen for longest (default: \(BusLimits.devicesPerUser)).
      """)
  var devicesPerUser: String?

  @Option(help: "Largest frame in bytes (default: \(GatewayLimits.frameBytes)).")
  var frameBytes: String?

  @Option(help: "Seconds between pings (default: \(GatewayLimits.pingSeconds)).")
  var pingSeconds: String?

  @Option(
    help: """
      Seconds that a planned stop may take: connections are told to go, spread over them (default: \
      \(GatewayLimits.drainSeconds); `connect dev`: \(DevStand.drainSeconds)).
      """)
  var drainSeconds: String?

  @Option(
    help: """
      Entries in a partition above which sends to it are rejected as overloaded (default: \
      \(BusLimits.backlogEntries)).
      """)
  var backlogLimit: String?
}

extension SettingValues {
  /// - Parameters:
  ///   - demo: Serve the demo page.
  ///   - drainSeconds: the time, unless it is given.
  func gateway(
    listen: ListenAddress, id: InstanceID, keys: Keys, demo: Bool = false,
    drainSeconds: Int = GatewayLimits.drainSeconds
  ) throws(Failure) -> GatewayConfiguration {
    var gateway = GatewayConfiguration(
      host: listen.host, port: listen.port, id: id, keys: keys,
      allowedOrigins: try self.allowedOrigins(), servesDemoPage: demo)
    try self.read(.maximumConnections, 1...10_000_000, into: &gateway.maximumConnections)
    try self.read(.sendsPerSecond, 0...1_000_000, into: &gateway.sendsPerSecond)
    try self.read(.requestsPerSecond, 0...1_000_000, into: &gateway.requestsPerSecond)
    try self.read(.signalsPerSecond, 0...1_000_000, into: &gateway.signalsPerSecond)
    try self.read(.unacked, 1...65_536, into: &gateway.unackedMessages)
    try self.read(.devicesPerUser, 1...BusLimits.maximumDevices, into: &gateway.devicesPerUser)
    try self.readFrameBytes(into: &gateway.frameBytes)
    try self.read(.pingSeconds, 1...3_600, into: &gateway.pingSeconds)
    gateway.drainSeconds = drainSeconds
    try self.read(.drainSeconds, 0...3_600, into: &gateway.drainSeconds)
    try self.readBacklogLimit(into: &gateway.backlogEntries)
    try self.readDurability(into: &gateway.durability)
    try self.readRetention(into: &gateway.retentionSeconds)
    return gateway
  }

  private func allowedOrigins() throws(Failure) -> AllowedOrigins {
    guard let list = self.text(.allowedOrigins) else { return .all }
    do throws(AllowedOrigins.Invalid) { return try AllowedOrigins(list) } catch {
      throw self.failure(.allowedOrigins, error.description)
    }
  }
}
