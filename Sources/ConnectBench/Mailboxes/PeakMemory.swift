import Foundation

/// The most memory that a process had at a time, as Linux counts it
/// (https://man7.org/linux/man-pages/man5/proc_pid_status.5.html).
enum PeakMemory {
  /// Begins to count again.
  ///
  /// - Returns: whether the system lets us.
  static func reset(of process: pid_t) -> Bool {
    guard let file = FileHandle(forWritingAtPath: "/proc/\(process)/clear_refs") else {
      return false
    }
    defer { try? file.close() }
    // "5" resets the peak alone.
    return (try? file.write(contentsOf: Data("5".utf8))) != nil
  }

  /// Nil if the process is gone, or the system does not tell.
  static func bytes(of process: pid_t) -> Int? {
    let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    let line = status?.split(whereSeparator: \.isNewline).first { $0.hasPrefix("VmHWM:") }
    return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
      .map { $0 * 1_024 }
  }
}
