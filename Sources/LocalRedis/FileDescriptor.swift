import Foundation

/// An open file of this process. Closed at the end of its lifetime, and never inherited by a child.
struct FileDescriptor: ~Copyable, Sendable {
  let rawValue: Int32

  deinit { close(rawValue) }

  /// Takes over a descriptor that was just opened, or throws the error of the operation.
  ///
  /// It is moved above the standard ones, which may be free: a child's are made of others by `dup2`,
  /// one after the other, and must not overwrite what is still needed.
  init(_ opened: Int32, from operation: String) throws(ChildProcessError) {
    guard opened >= 0 else { throw .refused(operation: operation, code: errno) }
    guard opened <= STDERR_FILENO else {
      rawValue = opened
      return
    }
    let moved = fcntl(opened, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
    let code = errno
    close(opened)
    guard moved >= 0 else { throw .refused(operation: "fcntl", code: code) }
    rawValue = moved
  }

  /// Gives up ownership without closing it.
  consuming func release() -> Int32 {
    let rawValue = rawValue
    discard self
    return rawValue
  }

  func makeNonBlocking() {
    _ = fcntl(rawValue, F_SETFL, fcntl(rawValue, F_GETFL) | O_NONBLOCK)
  }

  /// Sends all of some bytes over a socket of this module, without a risk of SIGPIPE. Returns an
  /// `errno`, or 0.
  func send(_ bytes: [UInt8]) -> Int32 {
    #if canImport(Darwin)
      let flags: Int32 = 0  // The socket has SO_NOSIGPIPE.
    #else
      let flags = Int32(MSG_NOSIGNAL)
    #endif
    return bytes.withUnsafeBytes { bytes in
      var rest = bytes[...]
      while !rest.isEmpty {
        let piece = UnsafeRawBufferPointer(rebasing: rest)
        let sent = Foundation.send(rawValue, piece.baseAddress, piece.count, flags)
        if sent >= 0 { rest = rest.dropFirst(sent) } else if errno != EINTR { return errno }
      }
      return 0
    }
  }
}

/// Two connected descriptors.
struct DescriptorPair: ~Copyable {
  let first: FileDescriptor
  let second: FileDescriptor

  private init(_ descriptors: [Int32], from operation: String) throws(ChildProcessError) {
    let first = try FileDescriptor(descriptors[0], from: operation)
    let second = try FileDescriptor(descriptors[1], from: operation)
    self.first = first
    self.second = second
  }

  /// A pipe: first its read end, then its write end.
  static func pipe() throws(ChildProcessError) -> DescriptorPair {
    var ends: [Int32] = [-1, -1]
    #if canImport(Darwin)
      let result = Foundation.pipe(&ends)
    #else
      let result = GNU.pipe2?(&ends, O_CLOEXEC) ?? Foundation.pipe(&ends)
    #endif
    guard result == 0 else { throw .refused(operation: "pipe", code: errno) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return try DescriptorPair(ends, from: "pipe")
  }

  /// A pair of sockets: unlike a pipe, writing to one does not risk SIGPIPE.
  static func sockets() throws(ChildProcessError) -> DescriptorPair {
    var ends: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, FileDescriptor.streamSocket, 0, &ends) == 0 else {
      throw .refused(operation: "socketpair", code: errno)
    }
    for end in ends { FileDescriptor.prepareSocket(end) }
    return try DescriptorPair(ends, from: "socketpair")
  }
}

extension FileDescriptor {
  static func tcpSocket() throws(ChildProcessError) -> FileDescriptor { try socket(of: AF_INET) }

  static func unixSocket() throws(ChildProcessError) -> FileDescriptor { try socket(of: AF_UNIX) }

  private static func socket(of family: Int32) throws(ChildProcessError) -> FileDescriptor {
    let socket = try FileDescriptor(
      Foundation.socket(family, streamSocket, 0), from: "socket")
    prepareSocket(socket.rawValue)
    return socket
  }

  #if canImport(Darwin)
    fileprivate static let streamSocket = SOCK_STREAM

    fileprivate static func prepareSocket(_ socket: Int32) {
      _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
      var on: Int32 = 1
      setsockopt(socket, SOL_SOCKET, SO_NOSIGPIPE, &on, socklen_t(MemoryLayout<Int32>.size))
    }
  #else
    fileprivate static let streamSocket =
      Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)

    fileprivate static func prepareSocket(_ socket: Int32) {}
  #endif
}
