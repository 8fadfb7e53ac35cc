import ArgumentParser
import BackendAPI
import MessageBus
import Messaging
import Redis
import Settings

struct APIOptions: ParsableArguments {
  @Option(
    help: """
      host:port of the internal HTTP API for backends, which needs a service token; 'off' for none \
      (default: off).
      """)
  var apiListen: String?

  @Option(
    help: ArgumentHelp(
      """
      File with the service tokens, one per line, each of at least \(BackendAPILimits.tokenBytes) \
      characters (or CONNECT_SERVICE_TOKEN). Any of them is taken.
      """,
      valueName: "path"))
  var serviceTokenFile: String?
}

/// Limits that gateways and the API for backends share. Both need the same.
struct APILimitOptions: ParsableArguments {
  @Option(help: "Largest body of a request in bytes (default: \(BackendAPILimits.bodyBytes)).")
  var frameBytes: String?

  @Option(
    help: """
      Entries in a partition above which messages to it are refused as overloaded (default: \
      \(BusLimits.backlogEntries)).
      """)
  var backlogLimit: String?
}

/// The internal HTTP API and its tokens.
extension SettingValues {
  /// Nil when the API is switched off.
  ///
  /// - Parameter messaging: what the messaging beside it was told: some of that is the same for
  ///   both.
  func api(
    beside messaging: MessagingConfiguration
  ) throws(Failure) -> BackendAPIConfiguration? {
    guard !self.isOff(.apiListen), let listen = try self.listen(.apiListen) else { return nil }
    var configuration = BackendAPIConfiguration(
      host: listen.host, port: listen.port, keys: messaging.keys, tokens: try self.serviceTokens())
    try self.readFrameBytes(into: &configuration.bodyBytes)
    try self.readBacklogLimit(into: &configuration.backlogEntries)
    configuration.durability = messaging.durability
    configuration.retentionSeconds = messaging.mailboxes.retentionSeconds
    return configuration
  }

  /// The configured tokens: from the variable, else from the file.
  private func serviceTokens() throws(Failure) -> ServiceTokens {
    if let text = try self.secretText(.serviceToken) {
      return try self.tokens(text, .serviceToken)
    }
    guard let path = self.text(.serviceTokenFile) else {
      throw self.failure(
        .apiListen,
        """
        the API needs a service token: give --service-token-file PATH, or \
        \(Setting.serviceToken.variable). One is made by: head -c 48 /dev/urandom | base64 > PATH
        """)
    }
    let text = try self.read(
      SecretFile.text(of: path, limit: CommandLimits.secretFileBytes), path, .serviceTokenFile)
    return try self.tokens(text, .serviceTokenFile)
  }

  private func tokens(_ text: String, _ setting: Setting) throws(Failure) -> ServiceTokens {
    do throws(ServiceTokens.Malformed) {
      return try ServiceTokens(lines: text)
    } catch {
      throw self.failure(setting, "the service token \(error)")
    }
  }

  func readFrameBytes(into value: inout Int) throws(Failure) {
    try self.read(.frameBytes, 1_024...16_777_216, into: &value)
  }

  func readBacklogLimit(into value: inout Int) throws(Failure) {
    try self.read(.backlogLimit, 1...1_000_000_000, into: &value)
  }
}
