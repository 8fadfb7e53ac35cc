import Foundation

/// What a process has used so far, as the system accounts for it.
public struct ProcessUsage: Sendable {
  /// CPU time in user and kernel mode, in microseconds; the system counts in hundredths of a second.
  public var cpuMicroseconds: Double
  /// Resident memory in bytes.
  public var residentBytes: Int
  /// Bytes that it has read and written so far, from sockets and all else. Nil where the system does
  /// not tell.
  public var readBytes, writtenBytes: Int?

  /// Nil where the process is gone, or the system has no /proc.
  public init?(of process: pid_t) {
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
