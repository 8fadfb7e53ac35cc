import NIOCore

/// Finds out which of some commands Redis would refuse, without executing any.
///
/// Redis checks a command behind `MULTI` when it comes: whether there is a command of that name,
/// whether the user may run it, whether the server takes writes. The transaction here begins with a
/// command that cannot be queued, so that Redis discards all of it, whatever follows.
package enum CommandCheck {
  /// Asks one server, the first that can be reached.
  ///
  /// - Parameter commands: with as many arguments as each needs.
  /// - Returns: for each of them the refusal, nil if there is none; the last one is of `EXEC`.
  package static func refusals(
    of commands: [[String]], by configuration: RedisConfiguration, on eventLoop: any EventLoop
  ) async throws(RedisError) -> [RedisServerError?] {
    var failure = RedisError.unavailable("there is no server to ask")
    for address in configuration.url.addresses {
      do {
        return try await Self.ask(commands, address, configuration, eventLoop).get()
      } catch {
        failure = error as? RedisError ?? .unavailable("\(error)")
      }
    }
    throw failure
  }

  private static func ask(
    _ commands: [[String]], _ address: RedisAddress, _ configuration: RedisConfiguration,
    _ eventLoop: any EventLoop
  ) -> EventLoopFuture<[RedisServerError?]> {
    let promise = eventLoop.makePromise(of: [RedisServerError?].self)
    eventLoop.execute {
      RedisConnection.open(to: address, as: configuration, on: eventLoop) { _ in }
        .assumeIsolated().whenComplete { result in
          switch result {
          case .failure(let error): promise.fail(error)
          case .success(let connection): Self.begin(commands, over: connection.value, promise)
          }
        }
    }
    return promise.futureResult
  }

  /// Sends nothing else before it is certain that the transaction is void.
  private static func begin(
    _ commands: [[String]], over connection: RedisConnectionHandler,
    _ promise: EventLoopPromise<[RedisServerError?]>
  ) {
    var batch = RedisBatch()
    batch.append("MULTI")
    batch.append("EXISTS")
    connection.submit(batch, timeout: Self.timeout) { replies in
      do throws(RedisError) {
        _ = try replies.cursor(0)
        guard replies.serverError(1) != nil else {
          throw .unexpectedReply("EXISTS without a key was queued")
        }
        Self.queue(commands, over: connection, promise)
      } catch {
        connection.close(Self.done)
        promise.fail(error)
      }
    }
  }

  private static func queue(
    _ commands: [[String]], over connection: RedisConnectionHandler,
    _ promise: EventLoopPromise<[RedisServerError?]>
  ) {
    var batch = RedisBatch()
    for words in commands { batch.append(words: words) }
    batch.append("EXEC")
    connection.submit(batch, timeout: Self.timeout) { replies in
      connection.close(Self.done)
      var refusals = (0..<replies.count).map { replies.serverError($0) }
      // It is void, as it must be: only a cause that EXEC names is one of its own.
      if let exec = refusals.last, let exec, exec.code == "EXECABORT" {
        refusals[refusals.count - 1] = exec.abortCause
      }
      if case .failure(let error) = replies.answer(replies.count - 1) {
        promise.fail(error)
      } else {
        promise.succeed(refusals)
      }
    }
  }

  private static let done = RedisError.unavailable("only a check")
  private static var timeout: TimeAmount { .milliseconds(RedisLimits.commandTimeoutMilliseconds) }
}
