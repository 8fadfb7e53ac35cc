import BackendAPI
import Messaging
import Redis
import Settings

/// The internal HTTP API and its tokens.
extension SettingValues {
  /// Nil when the API is switched off.
  ///
  /// - Parameter messaging: what the messaging beside it was told: some of that is the same for
  ///   both.
  func api(
    beside messaging: MessagingConfiguration
  ) throws(Failure) -> BackendAPIConfiguration? {
    guard self.text(.apiListen) != nil, !self.isOff(.apiListen) else { return nil }
    let listen = try self.listen(.apiListen, default: "127.0.0.1:8090")
    var configuration = BackendAPIConfiguration(
      host: listen.host, port: listen.port, keys: messaging.keys, tokens: try self.serviceTokens())
    configuration.bodyBytes = try self.frameBytes(default: BackendAPILimits.bodyBytes)
    configuration.backlogEntries = try self.backlogEntries()
    configuration.durability = messaging.durability
    configuration.retentionSeconds = messaging.mailboxes.retentionSeconds
    return configuration
  }

  /// The configured tokens: from the variable, else from the file.
  private func serviceTokens() throws(Failure) -> ServiceTokens {
    if let text = self.text(.serviceToken) { return try self.tokens(text, .serviceToken) }
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
}
