import Foundation

/// The machine on which a benchmark runs, with all that it starts.
struct Machine: Codable, Hashable, Sendable {
  /// The model of its processors; nil where the system does not tell.
  let processor: String?
  let cores: Int
  /// The kernel and its release.
  let system: String

  static let current: Machine = {
    var system = utsname()
    uname(&system)
    return Machine(
      processor: Self.processor(
        cpuinfo: (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""),
      cores: ProcessInfo.processInfo.activeProcessorCount,
      system: Self.text(of: system.sysname) + " " + Self.text(of: system.release))
  }()

  /// The first `model name` in Linux's /proc/cpuinfo.
  static func processor(cpuinfo: String) -> String? {
    cpuinfo.split(whereSeparator: \.isNewline).first { $0.hasPrefix("model name") }?
      .split(separator: ":", maxSplits: 1).last
      .map { $0.trimmingCharacters(in: .whitespaces) }
  }

  /// A string of C in an array of fixed size.
  private static func text<Characters>(of characters: Characters) -> String {
    withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  var text: String {
    "\(self.processor ?? "processor not known"), \(BenchReport.count(self.cores, "core")), \(self.system)"
  }
}
