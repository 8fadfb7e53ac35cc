/// Cuts what is read into lines.
///
/// Pure.
struct LineSplitter {
  /// A line is longer than this many bytes.
  struct TooLong: Error {}

  private let maximumBytes: Int
  private var rest: [UInt8] = []

  init(maximumBytes: Int) { self.maximumBytes = maximumBytes }

  /// Adds what was read.
  ///
  /// - Returns: the lines that it completes, without their ends.
  mutating func append(_ bytes: [UInt8]) throws(TooLong) -> [String] {
    var lines: [String] = []
    for part in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      // Every part but the first comes behind a line end.
      if part.startIndex > 0 {
        lines.append(String(decoding: self.rest, as: UTF8.self))
        self.rest.removeAll(keepingCapacity: true)
      }
      guard self.rest.count + part.count <= self.maximumBytes else { throw TooLong() }
      self.rest += part
    }
    return lines
  }

  /// The input has ended.
  ///
  /// - Returns: the last line, if it had no end.
  mutating func finish() -> String? {
    guard !self.rest.isEmpty else { return nil }
    defer { self.rest = [] }
    return String(decoding: self.rest, as: UTF8.self)
  }
}
