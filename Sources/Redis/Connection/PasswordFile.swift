import NIOCore
import NIOPosix

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// A file that holds a password, and perhaps a line end that nobody means.
enum PasswordFile {
  /// Reads it. Blocks.
  static func read(_ path: String) -> Result<String, RedisError> {
    func failure(_ reason: String) -> Result<String, RedisError> {
      .failure(.unavailable("cannot read the password file \(path): \(reason)"))
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return failure(String(cString: strerror(errno))) }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: RedisLimits.maximumPasswordBytes + 1)
    var count = 0
    while count < bytes.count {
      let part = bytes.withUnsafeMutableBytes { raw in
        #if canImport(Darwin)
          Darwin.read(descriptor, raw.baseAddress! + count, raw.count - count)
        #elseif canImport(Musl)
          Musl.read(descriptor, raw.baseAddress! + count, raw.count - count)
        #else
          Glibc.read(descriptor, raw.baseAddress! + count, raw.count - count)
        #endif
      }
      if part < 0, errno == EINTR { continue }
      guard part >= 0 else { return failure(String(cString: strerror(errno))) }
      if part == 0 { break }
      count += part
    }
    guard count <= RedisLimits.maximumPasswordBytes else {
      return failure("it has more than \(RedisLimits.maximumPasswordBytes) bytes")
    }
    var text = bytes[..<count]
    while let last = text.last, last == UInt8(ascii: "\n") || last == UInt8(ascii: "\r") {
      text.removeLast()
    }
    guard !text.isEmpty else { return failure("it is empty") }
    guard let password = String(validating: text, as: UTF8.self) else {
      return failure("it is not UTF-8")
    }
    return .success(password)
  }
}
