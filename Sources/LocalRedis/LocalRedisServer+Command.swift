import Dispatch

extension LocalRedisServer {
  /// Sends one command over a plain connection of its own, as somebody who may do everything, and
  /// returns the reply.
  ///
  /// An error reply is thrown as ``LocalRedisError/errorReply(command:port:reply:)``. Without an
  /// answer, as from a paused server, ``LocalRedisError/unanswered(command:port:cause:)`` is thrown
  /// after `limit`, by default 5 seconds. Cancellation does not end the wait: it is short, and cleaning up needs commands.
  @discardableResult
  package func command(
    _ words: String..., within limit: Duration = .seconds(5)
  ) async throws(LocalRedisError) -> LocalRedisReply {
    try await command(words, within: limit)
  }

  /// The same for a list of words.
  @discardableResult
  package func command(
    _ words: [String], within limit: Duration = .seconds(5)
  ) async throws(LocalRedisError) -> LocalRedisReply {
    let port = port
    let access = access
    // A blocking call must not hold up a thread of those that run all tasks.
    let result = await withCheckedContinuation { waiter in
      Self.commandQueue.async {
        waiter.resume(returning: Self.call(words, access, port: port, within: limit))
      }
    }
    return try result.get()
  }

  private static let commandQueue = DispatchQueue(
    label: "connect.local-redis.commands", attributes: .concurrent)

  private static func call(
    _ words: [String], _ access: CommandAccess, port: Int, within limit: Duration
  ) -> Result<LocalRedisReply, LocalRedisError> {
    // Enough to know it by; the values may be long.
    let name = words.prefix(3).joined(separator: " ")
    let reply: Result<LocalRedisReply, ReplyParser.Failure>
    do throws(ChildProcessError) {
      let socket = try access.connect(deadline: .now + limit)
      reply = try socket.ask(encode(words)) { bytes in
        do throws(ReplyParser.Failure) {
          return try ReplyParser.parse(bytes).map { .success($0) }
        } catch {
          return .failure(error)
        }
      }
    } catch {
      return .failure(.unanswered(command: name, port: port, cause: "\(error)"))
    }
    switch reply {
    case .success(.error(let text)):
      return .failure(.errorReply(command: name, port: port, reply: text))
    case .success(let reply):
      return .success(reply)
    case .failure:
      return .failure(.unanswered(command: name, port: port, cause: "its reply is not RESP2"))
    }
  }

  static func encode(_ words: [String]) -> [UInt8] {
    var text = "*\(words.count)\r\n"
    for word in words { text += "$\(word.utf8.count)\r\n\(word)\r\n" }
    return Array(text.utf8)
  }
}
