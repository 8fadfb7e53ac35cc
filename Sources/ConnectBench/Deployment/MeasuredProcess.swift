import Foundation

/// A process to be measured, and its name in the report.
struct MeasuredProcess {
  /// Its part in the path of a message.
  enum Role: Hashable, CaseIterable {
    case gateway, messaging, redis
    /// A process of the caller's, named otherwise.
    case other
    /// This process, which makes the load.
    case loadGenerator
  }

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

  static var loadGenerator: MeasuredProcess {
    MeasuredProcess(
      name: "load generator", processIdentifier: ProcessInfo.processInfo.processIdentifier)
  }

  /// Follows from the name, as with `--process gateway=4711`.
  var role: Role {
    if self.name == Self.loadGenerator.name { return .loadGenerator }
    if self.name.hasPrefix("gateway") { return .gateway }
    if self.name.hasPrefix("messaging") { return .messaging }
    return self.name.hasPrefix("redis") || self.name.hasPrefix("registry") ? .redis : .other
  }
}
