import Foundation

/// The numbers that every Prometheus client tells of its process, under the names that all use
/// (https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics).
enum ProcessMetrics {
  /// Nothing where the system has no /proc.
  static func write(to text: inout String) {
    guard let stat = try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8),
      // The name, in parentheses, may contain anything; the numbers follow it.
      let end = stat.lastIndex(of: ")")
    else { return }
    let fields = stat[stat.index(after: end)...].split(separator: " ")
    guard fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]),
      let virtual = Int(fields[20]), let pages = Int(fields[21])
    else { return }
    let cpu = (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    var metrics: [(String, String, String)] = [
      ("process_cpu_seconds_total", "counter", PrometheusText.number(cpu)),
      ("process_resident_memory_bytes", "gauge", "\(pages * sysconf(Int32(_SC_PAGESIZE)))"),
      ("process_virtual_memory_bytes", "gauge", "\(virtual)"),
    ]
    if let open = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count {
      metrics.append(("process_open_fds", "gauge", "\(open)"))
    }
    var limit = rlimit()
    if getrlimit(Self.openFiles, &limit) == 0 {
      metrics.append(("process_max_fds", "gauge", "\(limit.rlim_cur)"))
    }
    for (name, type, value) in metrics { text += "# TYPE \(name) \(type)\n\(name) \(value)\n" }
  }

  #if canImport(Glibc)
    private static let openFiles = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
  #else
    private static let openFiles = RLIMIT_NOFILE
  #endif
}
