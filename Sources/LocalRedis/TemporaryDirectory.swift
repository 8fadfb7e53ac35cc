import Foundation

/// A directory that is removed when this process ends, if not earlier.
package struct TemporaryDirectory: Sendable {
  /// The path of a directory that this type has made: the only kind of which it, or its watchdog,
  /// removes one.
  package struct Path: Sendable {
    package let string: String

    fileprivate init(making prefix: String) throws(ChildProcessError) {
      let template = NSTemporaryDirectory() + "/" + prefix + "XXXXXX"
      var bytes = Array((template as NSString).standardizingPath.utf8CString)
      let isMade = bytes.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) != nil }
      guard isMade else { throw .refused(operation: "making \(template)", code: errno) }
      string = String(decoding: bytes.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
  }

  package static let prefix = "connect-redis."

  package let path: Path
  private let watchdog: Watchdog

  package init() throws(ChildProcessError) {
    let path = try Path(making: Self.prefix)
    do throws(ChildProcessError) {
      watchdog = try Watchdog(onParentsEnd: .remove(path))
    } catch {
      rmdir(path.string)
      throw error
    }
    self.path = path
  }

  package func remove() {
    try? FileManager.default.removeItem(atPath: path.string)
    watchdog.end()
  }
}
