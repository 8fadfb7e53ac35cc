import Foundation
import ServiceMetrics

/// Resources used by a process so far, as the system counts them.
package struct ProcessUsage: Sendable {
  /// CPU time in user and kernel mode, in microseconds; measured in hundredths of a second.
  package var cpuMicroseconds: Double
  package var residentBytes: Int
  /// Bytes that it has read and written so far, from sockets and all else. Nil where the system does
  /// not tell.
  package var readBytes, writtenBytes: Int?

  /// Nil if the process is gone, or the system has no /proc.
  package init?(of process: pid_t) {
    guard let stat = ProcessStat(of: "\(process)") else { return nil }
    self.cpuMicroseconds = stat.cpuSeconds * 1e6
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
}
