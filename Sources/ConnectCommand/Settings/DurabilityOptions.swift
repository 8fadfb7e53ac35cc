import ArgumentParser
import MessageBus
import Settings

/// The condition for a message to count as accepted. Both services need the same.
struct DurabilityOptions: ParsableArguments {
  @Option(
    help: """
      accepted, or replicated:N: a send is only accepted, and a message only delivered, when N \
      replicas have it too (default: accepted). The same for both services.
      """)
  var durability: String?

  var flags: [Setting: String] { [.durability: self.durability].compactMapValues { $0 } }
}

extension SettingValues {
  /// `value` stays as it is unless one was given.
  func readDurability(into value: inout Durability) throws(Failure) {
    let given = try self.value(.durability, expected: Durability.form) {
      Durability($0.lowercased())
    }
    if let given { value = given }
  }
}
