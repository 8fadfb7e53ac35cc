import Foundation
import Logging

/// An environment variable that is named like a setting, and is none: misspelled, as a rule.
///
/// It is warned of and not refused, because environments are shared: by another release, by whoever
/// sets all variables of a host. Its value is never shown, for it may be a secret.
package struct UnknownVariable: Hashable, CustomStringConvertible {
  package let name: String
  /// The variable that was probably meant.
  package let nearest: String?

  package init(name: String, nearest: String?) {
    self.name = name
    self.nearest = nearest
  }

  private static let prefix = "CONNECT_"

  /// Variables that are not settings of the services, and have a meaning: the token of `connect chat`;
  /// what the image and the compose file read; how this package is built.
  private static let others: Set<String> = [
    "CONNECT_TOKEN", "CONNECT_HEALTH_URL", "CONNECT_IMAGE", "CONNECT_WARNINGS_AS_ERRORS",
  ]
  private static let prefixOfTests = "CONNECT_TEST_"

  /// Those of an environment, by name. A variable of a setting that this command does not have is
  /// known, and an empty one is not set.
  package static func among(_ environment: [String: String]) -> [UnknownVariable] {
    let settings = Setting.allCases.map(\.variable)
    let known = Self.others.union(settings)
    let suffixes = settings.map { String($0.dropFirst(Self.prefix.count)) }
    return environment.compactMap { name, value in
      guard name.hasPrefix(Self.prefix), !value.isEmpty, !known.contains(name),
        !name.hasPrefix(Self.prefixOfTests), !Self.isServiceLink(name, value)
      else { return nil }
      let nearest = NearestName.of(String(name.dropFirst(Self.prefix.count)), among: suffixes)
      return UnknownVariable(name: name, nearest: nearest.map { Self.prefix + $0 })
    }.sorted { $0.name < $1.name }
  }

  /// Whether Kubernetes has set it: for a service called `connect` or `connect-gateway`, say, it does so
  /// in every container of the namespace.
  private static func isServiceLink(_ name: String, _ value: String) -> Bool {
    name.hasSuffix("_SERVICE_HOST") || name.hasSuffix("_SERVICE_PORT")
      || name.contains("_SERVICE_PORT_")
      || (name.hasSuffix("_PORT") && value.contains("://"))
      || ["_TCP", "_UDP", "_SCTP"].contains { protocolName in
        name.contains("_PORT_") && (name + "_").contains("\(protocolName)_")
      }
  }

  package var description: String {
    "\(self.name) is not a setting, and is ignored; "
      + (self.nearest.map { "did you mean \($0)?" }
        ?? "the variables are listed in Configuration.md, or rename it")
  }

  /// Writes a line for each unknown variable of this process's environment.
  package static func show() {
    for variable in Self.among(ProcessInfo.processInfo.environment) {
      Failure.show(variable.description)
    }
  }

  /// The same in the log of a service.
  package static func log(_ logger: Logger) {
    for variable in Self.among(ProcessInfo.processInfo.environment) {
      logger.warning(
        "settings.unknown_variable",
        metadata: [
          "variable": "\(variable.name)", "nearest": "\(variable.nearest ?? "-")",
        ])
    }
  }
}
