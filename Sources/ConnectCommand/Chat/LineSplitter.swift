/// Cuts what is read into lines.
///
/// Pure.
struct LineSplitter {
  enum Fault: Error, Hashable {
    case tooLong
    /// It is not text, and would not arrive as written. Lines count from 1.
    case notUTF8(line: Int)
  }

  private let maximumBytes: Int
  private var rest: [UInt8] = []
  private var count = 0

  init(maximumBytes: Int) { self.maximumBytes = maximumBytes }

  /// Adds what was read.
  ///
  /// - Returns: the lines that it completes, without their ends, and what is wrong with the next one.
  mutating func append(_ bytes: [UInt8]) -> (lines: [String], fault: Fault?) {
    var lines: [String] = []
    for part in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      // Every part but the first comes behind a line end.
      if part.startIndex > 0 {
        do throws(Fault) {
          lines.append(try self.takeLine())
        } catch {
          return (lines, error)
        }
      }
      guard self.rest.count + part.count <= self.maximumBytes else { return (lines, .tooLong) }
      self.rest += part
    }
    return (lines, nil)
  }

  private mutating func takeLine() throws(Fault) -> String {
    self.count += 1
    defer { self.rest.removeAll(keepingCapacity: true) }
    // As Windows ends lines.
    if self.rest.last == UInt8(ascii: "\r") { self.rest.removeLast() }
    guard let line = String(validating: self.rest, as: UTF8.self) else {
      throw .notUTF8(line: self.count)
    }
    return line
  }

  /// The input has ended.
  ///
  /// - Returns: the last line, if it had no end.
  mutating func finish() throws(Fault) -> String? {
    guard !self.rest.isEmpty else { return nil }
    return try self.takeLine()
  }
}
