import Foundation

/// A process to be measured, and its name in the report.
struct MeasuredProcess {
  let name: String
  let processIdentifier: pid_t

  /// Reads `name=pid`.
  init?(_ text: String) {
    let parts = text.split(separator: "=")
    guard parts.count == 2, let process = pid_t(parts[1]), process > 0 else { return nil }
    self.init(name: String(parts[0]), processIdentifier: process)
  }

  init(name: String, processIdentifier: pid_t) {
    self.name = name
    self.processIdentifier = processIdentifier
  }
}
