import Logging
import NIOConcurrencyHelpers

/// Keeps the messages that are logged.
package struct EventLog: LogHandler {
  private let events: NIOLockedValueBox<[String]>
  package var metadata: Logger.Metadata = [:]
  package var logLevel = Logger.Level.info

  package init(events: NIOLockedValueBox<[String]>) { self.events = events }

  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { self.metadata[key] }
    set { self.metadata[key] = newValue }
  }

  package func log(event: LogEvent) {
    self.events.withLockedValue { $0.append("\(event.message)") }
  }
}
