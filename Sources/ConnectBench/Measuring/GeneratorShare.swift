import Foundation

/// The share of its processor core that the load generator's event loop took while it sent: where it took nearly
/// all, what was reached is the generator's limit, and not that of what is measured.
enum GeneratorShare {
  /// From here on it is flagged.
  static let limit = 0.9

  static let title = "generator"

  /// As in a table.
  static func text(_ share: Double) -> String {
    "\(Int((share * 100).rounded())) %" + (share >= Self.limit ? " (!)" : "")
  }

  /// A line that says what the flag means; none if nothing is flagged.
  static func lines(_ shares: [Double]) -> [String] {
    shares.contains { $0 >= Self.limit }
      ? ["(!): the load generator's core was busy, so this may be its own limit"] : []
  }

  /// CPU time of the calling thread so far, in nanoseconds.
  static func threadNanoseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}
