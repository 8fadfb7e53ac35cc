/// How long clients waited for a deployment.
package struct Waits: Sendable {
  /// How often a device that should be connected lost its connection and was live again.
  package private(set) var aways = 0
  /// The longest time from the end of a device's connection until it was live again: connected, and
  /// with all that its mailbox held.
  package private(set) var longestAway = Duration.zero
  package private(set) var accepted = 0
  /// The longest time from when an app handed a message to its client until it was accepted, whether
  /// the client was connected meanwhile or not.
  package private(set) var longestAccept = Duration.zero

  mutating func away(for time: Duration) {
    self.aways += 1
    self.longestAway = max(self.longestAway, time)
  }

  mutating func accepted(after time: Duration) {
    self.accepted += 1
    self.longestAccept = max(self.longestAccept, time)
  }
}
