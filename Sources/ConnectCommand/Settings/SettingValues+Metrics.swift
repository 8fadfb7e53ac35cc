import MessageBus
import Metrics
import ServiceMetrics
import Settings

struct MetricsSettings {
  /// The metrics that `/metrics` shows.
  let store: MetricsStore
  private let log: (namespace: String, seconds: Int)?

  fileprivate init(store: MetricsStore, log: (namespace: String, seconds: Int)?) {
    self.store = store
    self.log = log
  }

  /// The lines for CloudWatch, if they are wanted.
  ///
  /// - Parameter service: `gateway` or `messaging`.
  func services(_ service: String, _ metrics: [EmbeddedMetric]) -> [MetricsLog] {
    guard let log = self.log else { return [] }
    return [
      MetricsLog(
        metrics, of: self.store, namespace: log.namespace, service: service, seconds: log.seconds)
    ]
  }
}

extension SettingValues {
  /// Sets the process's metrics up. Call it once per process.
  func bootstrapMetrics() throws(Failure) -> MetricsSettings {
    let log = try self.metricsLog()
    let store = MetricsStore()
    MetricsSystem.bootstrap(store)
    Meter(label: "connect_build_info", dimensions: [("version", ConnectVersion.text)]).set(1)
    return MetricsSettings(store: store, log: log)
  }

  /// Namespace and interval of the lines for CloudWatch; nil if they are not wanted.
  func metricsLog() throws(Failure) -> (namespace: String, seconds: Int)? {
    let isLogged = try self.word(.metricsLog, ["emf": true, "off": false]) ?? false
    let namespace = try self.value(
      .metricsNamespace,
      expected: "a name of 1 to 255 of A-Z a-z 0-9 . _ / # : -, and not beginning with AWS/"
    ) { text in
      let isValid = text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "a")...UInt8(ascii: "z"):
          true
        default: "._/#:-".utf8.contains(byte)
        }
      }
      return isValid && (1...255).contains(text.utf8.count) && !text.hasPrefix("AWS/") ? text : nil
    }
    let seconds = try self.number(
      .metricsLogSeconds, 1...3_600, default: MetricsLimits.logSeconds)
    return isLogged ? (namespace ?? MetricsLimits.logNamespace, seconds) : nil
  }
}
