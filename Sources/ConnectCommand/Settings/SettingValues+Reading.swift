import Foundation
import Gateway
import Logging
import MessageBus
import Messaging
import Redis
import Settings

/// A `host:port` to listen on.
struct ListenAddress: Sendable, Hashable, CustomStringConvertible {
  let host: String
  let port: Int

  /// Nil unless it is `host:port`, with an IPv6 address in brackets.
  init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":"),
      let port = Int(text[text.index(after: colon)...]), (0...65_535).contains(port)
    else { return nil }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      return nil
    }
    // Letters of other alphabets are for the resolver to judge.
    let isName = host.allSatisfy { $0.isLetter || $0.isNumber || ".-_:%".contains($0) }
    guard !host.isEmpty, isName else { return nil }
    self.host = String(host)
    self.port = port
  }

  /// Accepts a host alone, too, but not a number alone: that would be a port without a host.
  init?(_ text: String, defaultPort: Int) {
    let isHostAlone = ListenAddress(text) == nil && Int(text) == nil
    self.init(isHostAlone ? "\(text):\(defaultPort)" : text)
  }

  var description: String {
    self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)"
  }
}

/// The meaning of each setting. The defaults belong to the modules; Configuration.md lists them.
extension SettingValues {
  func keys(hasRegistryRedis: Bool = false) throws(Failure) -> Keys {
    let count = try self.number(
      .partitions, 1...BusLimits.maximumPartitions, default: BusLimits.defaultPartitions)
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

  func listen(_ setting: Setting, default fallback: String) throws(Failure) -> ListenAddress {
    let address = try self.value(setting, expected: "host:port, such as 0.0.0.0:8080") {
      ListenAddress($0)
    }
    return address ?? ListenAddress(fallback)!
  }

  /// Nil when it is switched off. A host alone leaves the service its own port, so that one
  /// environment, such as that of an image, serves both services.
  func managementListen(default fallback: String) throws(Failure) -> ListenAddress? {
    if self.isOff(.managementListen) { return nil }
    let fallback = ListenAddress(fallback)!
    let expected = "host:port or a host, such as 0.0.0.0:9090 or 0.0.0.0"
    return try self.value(.managementListen, expected: expected) {
      ListenAddress($0, defaultPort: fallback.port)
    } ?? fallback
  }

  func instanceID(prefix: String) throws(Failure) -> InstanceID {
    let given = try self.value(.instanceID, expected: "a name of \(InstanceID.alphabet)") {
      InstanceID($0)
    }
    let random = String(UInt32.random(in: .min ... .max), radix: 16)
    return given ?? InstanceID("\(prefix)-\(random)")!
  }

  func isDemo() throws(Failure) -> Bool {
    try self.flag(.demo)
  }

  func gateway(
    listen: ListenAddress, id: InstanceID, keys: Keys, demo: Bool,
    drainSeconds: Int = GatewayLimits.drainSeconds
  ) throws(Failure) -> GatewayConfiguration {
    var configuration = GatewayConfiguration(
      host: listen.host, port: listen.port, id: id, keys: keys,
      allowedOrigins: try self.allowedOrigins(),
      servesDemoPage: demo)
    configuration.maximumConnections = try self.number(
      .maximumConnections, 1...10_000_000, default: GatewayLimits.connections)
    configuration.sendsPerSecond = try self.number(
      .sendsPerSecond, 0...1_000_000, default: GatewayLimits.sendsPerSecond)
    configuration.unackedMessages = try self.number(
      .unacked, 1...65_536, default: GatewayLimits.unackedMessages)
    configuration.devicesPerUser = try self.number(
      .devicesPerUser, 1...BusLimits.maximumDevices, default: BusLimits.devicesPerUser)
    configuration.frameBytes = try self.frameBytes(default: GatewayLimits.frameBytes)
    configuration.pingSeconds = try self.number(
      .pingSeconds, 1...3_600, default: GatewayLimits.pingSeconds)
    configuration.drainSeconds = try self.number(.drainSeconds, 0...3_600, default: drainSeconds)
    configuration.backlogEntries = try self.backlogEntries()
    configuration.durability = try self.durability()
    return configuration
  }

  func frameBytes(default fallback: Int) throws(Failure) -> Int {
    try self.number(.frameBytes, 1_024...16_777_216, default: fallback)
  }

  func backlogEntries() throws(Failure) -> Int {
    try self.number(.backlogLimit, 1...1_000_000_000, default: BusLimits.backlogEntries)
  }

  private func durability() throws(Failure) -> Durability {
    try self.value(.durability, expected: Durability.form) {
      Durability($0.lowercased())
    } ?? .accepted
  }

  func messaging(id: InstanceID, keys: Keys) throws(Failure) -> MessagingConfiguration {
    var configuration = MessagingConfiguration(id: id, keys: keys)
    configuration.leaseSeconds = try self.number(
      .leaseSeconds, 1...300, default: MessagingLimits.leaseSeconds)
    configuration.attempts = try self.number(
      .attempts, 1...1_000, default: MessagingLimits.attempts)
    configuration.durability = try self.durability()
    configuration.mailboxes.entries = try self.number(
      .mailboxLimit, 1...100_000_000, default: MessagingLimits.mailboxEntries)
    configuration.mailboxes.bytes = try self.number(
      .mailboxBytes, 1_048_576...1_099_511_627_776, default: MessagingLimits.mailboxBytes)
    configuration.mailboxes.historyEntries = try self.number(
      .historyLimit, 0...100_000_000, default: MessagingLimits.mailboxHistoryEntries)
    configuration.mailboxes.retentionSeconds =
      86_400
      * (try self.number(
        .retentionDays, 2...36_500, default: BusLimits.mailboxRetentionSeconds / 86_400))
    return configuration
  }

  /// Nil if it was not given.
  func logLevel() throws(Failure) -> Logger.Level? {
    let names = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
    return try self.value(.logLevel, expected: "one of \(names)") {
      Logger.Level(rawValue: $0.lowercased())
    }
  }

  func isJSONLog() throws(Failure) -> Bool {
    try self.word(.logFormat, ["text": false, "json": true]) ?? false
  }

  /// Sets logging up. Call it once per process.
  func bootstrapLogging(default fallback: Logger.Level = .info) throws(Failure) {
    let level = try self.logLevel() ?? fallback
    let isJSON = try self.isJSONLog()
    LoggingSystem.bootstrap { label in
      var handler: any LogHandler =
        isJSON ? JSONLogHandler() : StreamLogHandler.standardError(label: label)
      handler.logLevel = level
      return handler
    }
  }

  private func allowedOrigins() throws(Failure) -> AllowedOrigins {
    guard let list = self.text(.allowedOrigins) else { return .all }
    do throws(AllowedOrigins.Invalid) { return try AllowedOrigins(list) } catch {
      throw self.failure(.allowedOrigins, error.description)
    }
  }
}
