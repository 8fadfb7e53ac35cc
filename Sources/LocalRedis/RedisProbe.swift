import Foundation

/// Asks a starting redis-server whether it is ready, over a socket of its own.
enum RedisProbe {
  /// Whether the server on the port answers, has loaded its data, and is that process: not another
  /// one that had the port already.
  static func isReady(port: Int, processIdentifier: pid_t) -> Bool {
    guard let reply = ask("PING\r\nINFO server\r\n", port: port, until: isComplete) else {
      return false
    }
    // With a password, this is all that it says.
    if reply.hasPrefix("-NOAUTH") { return true }
    return reply.hasPrefix("+PONG\r\n") && reply.contains("\r\nprocess_id:\(processIdentifier)\r\n")
  }

  /// A port on which nobody listens at the moment.
  static func freePort() throws(LocalRedisError) -> Int {
    for _ in 0..<100 {
      do throws(ChildProcessError) {
        let port = try anyPort()
        if port <= Limits.highestPort { return port }
      } catch {
        throw .refused(error)
      }
    }
    throw .refused(.refused(operation: "finding a free port", code: EADDRNOTAVAIL))
  }

  private static func anyPort() throws(ChildProcessError) -> Int {
    let socket = try FileDescriptor.tcpSocket()
    var address = loopback(port: 0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) { address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        bind(socket.rawValue, address, length) == 0
          ? getsockname(socket.rawValue, address, &length) : -1
      }
    }
    guard result == 0 else { throw .refused(operation: "binding to 127.0.0.1", code: errno) }
    return Int(UInt16(bigEndian: address.sin_port))
  }

  /// An error needs no second reply. Nor does the question itself: a socket that is given the very
  /// port to which it connects, before the server has it, talks to itself.
  private static func isComplete(_ reply: String) -> Bool {
    !reply.hasPrefix("+") || (reply.contains("process_id:") && reply.hasSuffix("\r\n"))
  }

  private static func ask(
    _ question: String, port: Int, until isComplete: (String) -> Bool
  ) -> String? {
    guard let socket = try? FileDescriptor.tcpSocket() else { return nil }
    var timeout = timeval()
    timeout.tv_usec = .init(Limits.serverAnswer / .microseconds(1))
    setsockopt(
      socket.rawValue, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    var address = loopback(port: port)
    let isConnected = withUnsafePointer(to: &address) { address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        connect(socket.rawValue, address, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
    guard isConnected, socket.send(Array(question.utf8)) == 0 else { return nil }
    var reply: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 8192)
    while true {
      let count = recv(socket.rawValue, &buffer, buffer.count, 0)
      guard count > 0 else { return nil }
      reply += buffer[..<count]
      let text = String(decoding: reply, as: UTF8.self)
      if isComplete(text) { return text }
    }
  }

  private static func loopback(port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return address
  }
}
