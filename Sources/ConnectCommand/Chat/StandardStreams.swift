import Foundation
import NIOConcurrencyHelpers
import NIOPosix
import Settings

/// Standard input, read on a thread of its own: files, terminals and pipes alike, which no event
/// loop can wait for.
final class StandardInput: Sendable {
  private static let chunkBytes = 64 * 1024
  /// Interval at which the wait for input checks whether it was cancelled, in milliseconds.
  private static let pollMilliseconds: Int32 = 100

  private let thread = NIOThreadPool(numberOfThreads: 1)

  init() { self.thread.start() }

  /// Reads what there is, waiting for it.
  ///
  /// - Returns: nil at the end of the input, or when the task is cancelled.
  func read() async throws -> [UInt8]? {
    while !Task.isCancelled {
      let result: [UInt8]? = try await self.thread.runIfActive { try Self.readOnce() }
      guard let bytes = result else { continue }
      return bytes.isEmpty ? nil : bytes
    }
    return nil
  }

  /// - Returns: Nil without input, and empty at its end.
  private static func readOnce() throws -> [UInt8]? {
    var descriptor = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
    guard poll(&descriptor, 1, Self.pollMilliseconds) > 0 else { return nil }
    var bytes = [UInt8](repeating: 0, count: Self.chunkBytes)
    let count = Foundation.read(STDIN_FILENO, &bytes, bytes.count)
    if count < 0 {
      if errno == EINTR || errno == EAGAIN { return nil }
      throw Failure(.running, "cannot read standard input: \(String(cString: strerror(errno)))")
    }
    bytes.removeSubrange(count...)
    return bytes
  }

  func close() async { try? await self.thread.shutdownGracefully() }
}

/// Standard output or standard error, unbuffered: what was written cannot be lost any more.
struct OutputStream: Sendable {
  let descriptor: Int32

  static let output = OutputStream(descriptor: STDOUT_FILENO)
  static let error = OutputStream(descriptor: STDERR_FILENO)

  /// Whether this is a terminal, even one without escape sequences.
  var isAnyTerminal: Bool { isatty(self.descriptor) == 1 }

  /// Whether this is a terminal that understands escape sequences.
  var isTerminal: Bool {
    guard self.isAnyTerminal else { return false }
    return ProcessInfo.processInfo.environment["TERM"] ?? "dumb" != "dumb"
  }

  var size: (columns: Int, rows: Int) {
    var size = winsize()
    guard ioctl(self.descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
      return (80, 24)
    }
    return (Int(size.ws_col), Int(size.ws_row))
  }

  /// Writes all of a text.
  ///
  /// - Returns: false when nobody reads it any more.
  @discardableResult
  func write(_ text: String) -> Bool {
    var text = text
    return text.withUTF8 { utf8 in
      var rest = UnsafeRawBufferPointer(utf8)
      while !rest.isEmpty {
        let count = Foundation.write(self.descriptor, rest.baseAddress, rest.count)
        if count >= 0 {
          rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        } else if errno == EAGAIN {
          // Somebody else made it non-blocking, as shells' children do to each other.
          var descriptor = pollfd(fd: self.descriptor, events: Int16(POLLOUT), revents: 0)
          _ = poll(&descriptor, 1, -1)
        } else if errno != EINTR {
          return false
        }
      }
      return true
    }
  }
}
