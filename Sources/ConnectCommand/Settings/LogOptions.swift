import ArgumentParser
import Logging
import Settings

/// Options of every long-running process.
struct LogOptions: ParsableArguments {
  @Option(help: "trace, debug, info, notice, warning, error or critical (default: info).")
  var logLevel: String?

  @Option(help: "text or json (default: text), to standard error.")
  var logFormat: String?
}

struct LogSettings {
  let level: Logger.Level
  let isJSON: Bool

  /// - Parameter fallback: the level, unless one is given.
  init(_ values: SettingValues, default fallback: Logger.Level = .info) throws(Failure) {
    let names = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
    self.level =
      try values.value(.logLevel, expected: "one of \(names)") {
        Logger.Level(rawValue: $0.lowercased())
      } ?? fallback
    self.isJSON = try values.word(.logFormat, ["text": false, "json": true]) ?? false
  }

  /// Sets logging up. Call it once per process.
  func bootstrap() {
    LoggingSystem.bootstrap { label in
      var handler: any LogHandler =
        self.isJSON ? JSONLogHandler() : StreamLogHandler.standardError(label: label)
      handler.logLevel = self.level
      return handler
    }
  }
}
