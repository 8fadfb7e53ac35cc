import Foundation

/// A blocking connection within this machine, for a few questions and their answers in a bounded time.
struct LoopbackSocket: ~Copyable {
  private let descriptor: FileDescriptor
  private let deadline: ContinuousClock.Instant

  /// Connects to a port on 127.0.0.1. All that this connection does ends by the deadline.
  init(port: Int, deadline: ContinuousClock.Instant) throws(ChildProcessError) {
    self.descriptor = try Self.connected(
      FileDescriptor.tcpSocket(), to: Self.address(port: port), deadline: deadline)
    self.deadline = deadline
  }

  /// The same with a Unix socket.
  init(path: String, deadline: ContinuousClock.Instant) throws(ChildProcessError) {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    // A zero must follow it.
    guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
      throw .refused(operation: "connecting to \(path)", code: ENAMETOOLONG)
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    self.descriptor = try Self.connected(
      FileDescriptor.unixSocket(), to: address, deadline: deadline)
    self.deadline = deadline
  }

  private static func connected<Address>(
    _ descriptor: consuming FileDescriptor, to address: Address,
    deadline: ContinuousClock.Instant
  ) throws(ChildProcessError) -> FileDescriptor {
    // On Linux this holds for connecting too; elsewhere a connection to 127.0.0.1 is made or
    // refused at once.
    Self.limit(descriptor, SO_SNDTIMEO, until: deadline)
    let isConnected = withUnsafePointer(to: address) { address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        connect(descriptor.rawValue, address, socklen_t(MemoryLayout<Address>.size)) == 0
      }
    }
    guard isConnected else { throw .refused(operation: "connecting", code: errno) }
    return descriptor
  }

  /// Sends a question and collects what comes until that is an answer.
  ///
  /// - Parameter read: Makes the answer of all bytes that have come; nil when more must come.
  func ask<Answer>(
    _ question: [UInt8], read: ([UInt8]) -> Answer?
  ) throws(ChildProcessError) -> Answer {
    let code = descriptor.send(question)
    guard code == 0 else { throw .refused(operation: "sending", code: code) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16 * 1024)
    while true {
      if let answer = read(bytes) { return answer }
      guard ContinuousClock.now < deadline else {
        throw .refused(operation: "receiving", code: ETIMEDOUT)
      }
      Self.limit(descriptor, SO_RCVTIMEO, until: deadline)
      let count = recv(descriptor.rawValue, &buffer, buffer.count, 0)
      if count > 0 { bytes += buffer[..<count] }
      if count == 0 { throw .refused(operation: "receiving", code: ECONNRESET) }
      if count < 0 && errno != EINTR {
        throw .refused(operation: "receiving", code: errno == EAGAIN ? ETIMEDOUT : errno)
      }
    }
  }

  /// Whether this process can listen on a port at the moment.
  static func isFree(_ port: Int) throws(ChildProcessError) -> Bool {
    let descriptor = try FileDescriptor.tcpSocket()
    var address = address(port: port)
    return withUnsafePointer(to: &address) { address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        bind(descriptor.rawValue, address, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }

  private static func limit(
    _ descriptor: borrowing FileDescriptor, _ option: Int32, until deadline: ContinuousClock.Instant
  ) {
    // Zero would mean no limit.
    let microseconds = max(1_000, Int((deadline - .now) / .microseconds(1)))
    var timeout = timeval()
    timeout.tv_sec = .init(microseconds / 1_000_000)
    timeout.tv_usec = .init(microseconds % 1_000_000)
    setsockopt(
      descriptor.rawValue, SOL_SOCKET, option, &timeout, socklen_t(MemoryLayout<timeval>.size))
  }

  private static func address(port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return address
  }
}
