import Foundation

/// Figures of a process, from /proc/.../stat
/// (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html).
package struct ProcessStat {
  /// CPU time in user and kernel mode so far; the system counts in hundredths of a second.
  package let cpuSeconds: Double
  package let startSecondsSinceBoot: Double
  /// The size of its address space.
  package let virtualBytes: Int
  /// Resident memory.
  package let residentBytes: Int

  /// Nil where the process is gone, or the system has no /proc.
  ///
  /// - Parameter process: its id, or `self`.
  package init?(of process: String) {
    guard
      let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
      // The name, in parentheses, may contain anything; the numbers follow it.
      let end = stat.lastIndex(of: ")")
    else { return nil }
    let fields = stat[stat.index(after: end)...].split(separator: " ")
    guard fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]),
      let started = Double(fields[19]), let virtual = Int(fields[20]), let pages = Int(fields[21])
    else { return nil }
    let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))
    self.cpuSeconds = (user + system) / ticksPerSecond
    self.startSecondsSinceBoot = started / ticksPerSecond
    self.virtualBytes = virtual
    self.residentBytes = pages * sysconf(Int32(_SC_PAGESIZE))
  }
}
