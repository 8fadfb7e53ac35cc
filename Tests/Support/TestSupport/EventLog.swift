import Logging
import Synchronization

extension Logger {
  /// A log for nobody.
  package static let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
}

/// Keeps what is logged: of each event its message, and the values of chosen metadata behind it.
package final class EventLog: Sendable {
  private let keys: [String]
  private let level: Logger.Level
  private let kept = Mutex<[String]>([])

  /// - Parameters:
  ///   - keys: the metadata to keep, where an event has it.
  ///   - level: the lowest level of the events to keep.
  package init(_ keys: String..., from level: Logger.Level = .debug) {
    self.keys = keys
    self.level = level
  }

  package var logger: Logger { Logger(label: "test") { _ in Handler(log: self) } }

  package var events: [String] { self.kept.withLock(\.self) }

  package func count(_ event: String) -> Int { self.events.count { $0 == event } }

  private struct Handler: LogHandler {
    let log: EventLog
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level

    init(log: EventLog) {
      self.log = log
      self.logLevel = log.level
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { self.metadata[key] }
      set { self.metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      let values = self.log.keys.compactMap { event.metadata?[$0].map { "\($0)" } }
      let line = ([event.message.description] + values).joined(separator: " ")
      self.log.kept.withLock { $0.append(line) }
    }
  }
}
