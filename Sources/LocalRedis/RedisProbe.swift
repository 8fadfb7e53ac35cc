import Foundation

/// Asks a starting redis-server whether it is ready, over its own socket.
enum RedisProbe {
  /// Whether the server answers, has loaded its data, and is that process: not another
  /// one that was there already.
  static func isReady(_ access: CommandAccess, processIdentifier: pid_t) -> Bool {
    guard let reply = ask("PING\r\nINFO server\r\n", access) else { return false }
    // With a password, this is all that it says.
    if reply.hasPrefix("-NOAUTH") { return true }
    return reply.hasPrefix("+PONG\r\n") && reply.contains("\r\nprocess_id:\(processIdentifier)\r\n")
  }

  /// An error needs no second reply. Nor does the question itself: a socket that is given the very
  /// port to which it connects, before the server has it, talks to itself.
  private static func isComplete(_ reply: String) -> Bool {
    !reply.hasPrefix("+") || (reply.contains("process_id:") && reply.hasSuffix("\r\n"))
  }

  private static func ask(_ question: String, _ access: CommandAccess) -> String? {
    do throws(ChildProcessError) {
      let socket = try access.connect(deadline: .now + LocalRedisLimits.serverAnswer)
      return try socket.ask(Array(question.utf8)) { bytes in
        guard !bytes.isEmpty else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        return isComplete(text) ? text : nil
      }
    } catch {
      return nil
    }
  }
}
