#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// A file that holds a secret, and perhaps a trailing line end that does not belong to it.
package enum SecretFile {
  /// Why a file was refused, in words that follow its name and a colon.
  package enum Unreadable: Error, Hashable, CustomStringConvertible {
    /// The system cannot read it, in the system's words.
    case system(String)
    case missing
    case empty
    /// It has more than `limit` bytes.
    case tooLong(limit: Int)
    /// An editor put a byte order mark before the secret.
    case byteOrderMark
    /// An editor or a shell wrote each character as two bytes.
    case utf16
    case notUTF8

    package var description: String {
      switch self {
      case .system(let reason): reason
      case .missing: String(cString: strerror(ENOENT))
      case .empty: "it is empty"
      case .tooLong(let limit): "it has more than \(limit) bytes"
      case .byteOrderMark:
        "it begins with a byte order mark, which would be taken for a part of the secret; save it as "
          + "UTF-8 without one"
      case .utf16: "it is UTF-16; save it as UTF-8 without a byte order mark"
      case .notUTF8: "it is not UTF-8; save it as UTF-8 without a byte order mark"
      }
    }

    /// Whether it lasts until an operator fixes it; a missing or empty file may be about to be
    /// written.
    package var isLasting: Bool {
      switch self {
      case .missing, .empty: false
      case .system, .tooLong, .byteOrderMark, .utf16, .notUTF8: true
      }
    }
  }

  /// The content without trailing line ends. Blocks.
  package static func bytes(
    of path: String, limit: Int
  ) -> Result<[UInt8], Unreadable> {
    Self.contents(of: path, limit: limit).flatMap { bytes in
      var bytes = bytes
      if bytes.starts(with: [0xef, 0xbb, 0xbf]) { return .failure(.byteOrderMark) }
      if Self.isUTF16(bytes) { return .failure(.utf16) }
      while let last = bytes.last, last == UInt8(ascii: "\n") || last == UInt8(ascii: "\r") {
        bytes.removeLast()
      }
      return bytes.isEmpty ? .failure(.empty) : .success(bytes)
    }
  }

  /// The content as text. Blocks.
  package static func text(of path: String, limit: Int) -> Result<String, Unreadable> {
    Self.bytes(of: path, limit: limit).flatMap { bytes in
      if bytes.starts(with: [0xff, 0xfe]) || bytes.starts(with: [0xfe, 0xff]) {
        return .failure(.utf16)
      }
      return String(validating: bytes, as: UTF8.self).map { .success($0) } ?? .failure(.notUTF8)
    }
  }

  /// Whether every second byte is zero, as in ASCII in UTF-16: random bytes are not.
  private static func isUTF16(_ bytes: [UInt8]) -> Bool {
    let hasMark = bytes.starts(with: [0xff, 0xfe]) || bytes.starts(with: [0xfe, 0xff])
    let units = bytes.dropFirst(hasMark ? 2 : 0)
    guard units.count >= 4, units.count % 2 == 0 else { return false }
    return [0, 1].contains { parity in
      units.indices.allSatisfy { $0 % 2 == parity || units[$0] == 0 }
    }
  }

  private static func contents(of path: String, limit: Int) -> Result<[UInt8], Unreadable> {
    func failure() -> Result<[UInt8], Unreadable> {
      .failure(errno == ENOENT ? .missing : .system(String(cString: strerror(errno))))
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return failure() }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: limit + 1)
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
      guard part >= 0 else { return failure() }
      if part == 0 { break }
      count += part
    }
    guard count <= limit else { return .failure(.tooLong(limit: limit)) }
    return .success(Array(bytes[..<count]))
  }
}
