import ArgumentParser
import MessageBus
import Settings

/// How long messages are kept. Messaging removes what is older, and gateways tell clients.
struct RetentionOptions: ParsableArguments {
  @Option(
    help: """
      Days after which messages are removed, acked or not, and devices and positions are forgotten \
      that were not seen or moved (default: \(BusLimits.mailboxRetentionSeconds / 86_400)). The same \
      for both services.
      """)
  var retentionDays: String?
}

extension SettingValues {
  /// - Parameter seconds: stays as it is unless a number of days was given.
  func readRetention(into seconds: inout Int) throws(Failure) {
    var days = seconds / 86_400
    try self.read(.retentionDays, 2...36_500, into: &days)
    seconds = days * 86_400
  }
}
