import Foundation

/// The numbers that every Prometheus client tells of its process, under the names that all use
/// (https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics).
enum ProcessMetrics {
  /// Writes nothing if the system has no /proc.
  static func write(to text: inout String) {
    guard let stat = ProcessStat(of: "self") else { return }
    var metrics: [(String, String, String)] = [
      ("process_cpu_seconds_total", "counter", PrometheusText.number(stat.cpuSeconds)),
      ("process_resident_memory_bytes", "gauge", "\(stat.residentBytes)"),
      ("process_virtual_memory_bytes", "gauge", "\(stat.virtualBytes)"),
    ]
    if let start = Self.startSeconds {
      metrics.append(("process_start_time_seconds", "gauge", PrometheusText.number(start)))
    }
    if let open = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count {
      metrics.append(("process_open_fds", "gauge", "\(open)"))
    }
    var limit = rlimit()
    if getrlimit(Self.openFiles, &limit) == 0 {
      metrics.append(("process_max_fds", "gauge", "\(limit.rlim_cur)"))
    }
    for (name, type, value) in metrics {
      text += PrometheusText.head(name, type: type) + "\(name) \(value)\n"
    }
  }

  /// Since 1970. Read once: a change would look like another process.
  private static let startSeconds: Double? = {
    guard let stat = ProcessStat(of: "self"),
      let system = try? String(contentsOfFile: "/proc/stat", encoding: .utf8),
      let boot = system.split(separator: "\n").first(where: { $0.hasPrefix("btime ") }),
      let bootSeconds = Double(boot.dropFirst("btime ".count))
    else { return nil }
    return bootSeconds + stat.startSecondsSinceBoot
  }()

  #if canImport(Glibc)
    private static let openFiles = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
  #else
    private static let openFiles = RLIMIT_NOFILE
  #endif
}
