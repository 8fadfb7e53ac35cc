import ArgumentParser
import MessageBus
import Metrics
import ServiceMetrics
import Settings

/// Options of the lines of metrics for CloudWatch.
struct MetricsOptions: ParsableArguments {
  @Option(
    help: """
      emf: write what CloudWatch makes metrics of to standard output, a line each interval; off \
      (default: off).
      """)
  var metricsLog: String?

  @Option(
    help: "CloudWatch's namespace of these (default: \(MetricsLimits.logNamespace)).")
  var metricsNamespace: String?

  @Option(help: "The interval in seconds (default: \(MetricsLimits.logSeconds)).")
  var metricsLogSeconds: String?
}

/// The lines of metrics for CloudWatch.
struct MetricsLogSettings {
  private(set) var namespace = MetricsLimits.logNamespace
  private(set) var seconds = MetricsLimits.logSeconds

  /// Nil if they are not wanted.
  init?(_ values: SettingValues) throws(Failure) {
    let isLogged = try values.word(.metricsLog, ["emf": true, "off": false]) ?? false
    let namespace = try values.value(
      .metricsNamespace,
      expected: "a name of 1 to 255 of A-Z a-z 0-9 . _ / # : -, and not beginning with AWS/",
      Self.namespace)
    if let namespace { self.namespace = namespace }
    try values.read(.metricsLogSeconds, 1...3_600, into: &self.seconds)
    if !isLogged { return nil }
  }

  private static func namespace(_ text: String) -> String? {
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
}

extension MetricsStore {
  /// Sets the process's metrics up. Call it once per process.
  static func bootstrap() -> MetricsStore {
    let store = MetricsStore()
    MetricsSystem.bootstrap(store)
    Meter(label: "connect_build_info", dimensions: [("version", ConnectVersion.text)]).set(1)
    return store
  }

  /// The lines for CloudWatch, if they are wanted.
  ///
  /// - Parameter service: `gateway` or `messaging`.
  func log(
    _ settings: MetricsLogSettings?, of service: String, _ metrics: [EmbeddedMetric]
  ) -> [MetricsLog] {
    guard let settings else { return [] }
    return [
      MetricsLog(
        metrics, of: self, namespace: settings.namespace, service: service,
        seconds: settings.seconds)
    ]
  }
}
