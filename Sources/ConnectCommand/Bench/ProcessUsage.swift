import Foundation

/// What a process has used so far, as the system accounts for it.
struct ProcessUsage {
  /// CPU time in user and kernel mode, in microseconds; the system counts in hundredths of a second.
  var cpuMicroseconds: Double
  /// Resident memory in bytes.
  var residentBytes: Int

  /// Nil where the process is gone, or the system has no /proc.
  init?(of process: pid_t) {
    guard
      let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
      // The name, in parentheses, may contain anything; the numbers follow it.
      let end = stat.lastIndex(of: ")")
    else { return nil }
    let fields = stat[stat.index(after: end)...].split(separator: " ")
    guard fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]),
      let pages = Int(fields[21])
    else { return nil }
    self.cpuMicroseconds = (user + system) / Double(sysconf(Int32(_SC_CLK_TCK))) * 1e6
    self.residentBytes = pages * sysconf(Int32(_SC_PAGESIZE))
  }
}

/// A process that takes part, and what it is called in the report.
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
