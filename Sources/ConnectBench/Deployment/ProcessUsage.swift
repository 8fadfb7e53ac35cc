import Foundation
import ServiceMetrics

/// Resources used by a process so far, as the system counts them.
package struct ProcessUsage: Sendable {
  /// CPU time in user and kernel mode, in microseconds.
  package var cpuMicroseconds: Double
  package var residentBytes: Int
  /// Bytes that it has read and written so far, from sockets and all else. Nil where the system does
  /// not tell.
  package var readBytes, writtenBytes: Int?
}

extension ProcessUsage {
  /// Nil if the process is gone, or the system has no /proc.
  package init?(of process: pid_t) {
    guard let stat = ProcessStat(of: "\(process)") else { return nil }
    self.cpuMicroseconds = Self.clockMicroseconds(of: process) ?? stat.cpuSeconds * 1e6
    self.residentBytes = stat.residentBytes
    let transfers = (try? String(contentsOfFile: "/proc/\(process)/io", encoding: .utf8)) ?? ""
    for line in transfers.split(whereSeparator: \.isNewline) {
      let parts = line.split(separator: " ")
      switch parts.first {
      case "rchar:": self.readBytes = parts.last.flatMap { Int($0) }
      case "wchar:": self.writtenBytes = parts.last.flatMap { Int($0) }
      default: break
      }
    }
  }

  /// The process's clock of CPU time, in nanoseconds. /proc/.../stat counts in hundredths of a second, in which
  /// some processes do a second's work at a low rate.
  private static func clockMicroseconds(of process: pid_t) -> Double? {
    #if os(Linux)
      var clock = clockid_t()
      var time = timespec()
      guard clock_getcpuclockid(process, &clock) == 0, clock_gettime(clock, &time) == 0 else {
        return nil
      }
      return Double(time.tv_sec) * 1e6 + Double(time.tv_nsec) / 1e3
    #else
      return nil
    #endif
  }
}
