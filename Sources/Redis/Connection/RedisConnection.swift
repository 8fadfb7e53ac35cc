import NIOCore
import NIOPosix

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Opens connections: TCP, then AUTH and SELECT as the URL says, then PING.
enum RedisConnection {
  /// Opens one connection, ready for batches.
  ///
  /// On `eventLoop` only, where the future completes and `onClose` is called, once, if the connection
  /// was ever ready and is gone. The future fails with a ``RedisError`` in bounded time.
  static func open(
    to url: RedisURL, on eventLoop: any EventLoop, onClose: @escaping (RedisError) -> Void
  ) -> EventLoopFuture<NIOLoopBound<RedisConnectionHandler>> {
    let opened = eventLoop.makePromise(of: NIOLoopBound<RedisConnectionHandler>.self)
    let timeout = TimeAmount.milliseconds(RedisLimits.connectTimeoutMilliseconds)

    ClientBootstrap(group: eventLoop)
      .connectTimeout(timeout)
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .channelOption(.socketOption(.so_keepalive), value: 1)
      .channelInitializer { channel in
        // For each address of the host's name that is tried, so each has a handler of its own.
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(RedisConnectionHandler())
        }
      }
      .connect(host: url.host, port: url.port)
      .assumeIsolated()
      .whenComplete { result in
        let handler: RedisConnectionHandler
        do {
          handler = try result.get().pipeline.syncOperations.handler(
            type: RedisConnectionHandler.self)
        } catch {
          return opened.fail(RedisError.unavailable("cannot connect: \(Self.reason(of: error))"))
        }
        handler.submit(Self.handshake(for: url), timeout: timeout) { replies in
          do throws(RedisError) {
            try replies.check()
            // It may have been closed together with the last reply: for what came behind that.
            if let reason = handler.closeReason { throw reason }
            handler.onClose = onClose
            opened.succeed(NIOLoopBound(handler, eventLoop: eventLoop))
          } catch {
            handler.close(error)
            opened.fail(error)
          }
        }
      }
    return opened.futureResult
  }

  /// PING last: it shows what AUTH was not asked for (NOAUTH) and that the data set is loaded (LOADING).
  private static func handshake(for url: RedisURL) -> RedisBatch {
    var batch = RedisBatch()
    switch (url.user, url.password) {
    case (let user?, let password): batch.append("AUTH", user, password ?? "")
    case (nil, let password?): batch.append("AUTH", password)
    case (nil, nil): break
    }
    if url.database != 0 { batch.append("SELECT", "\(url.database)") }
    batch.append("PING")
    return batch
  }

  private static func reason(of error: any Error) -> String {
    switch error {
    case let error as NIOConnectionError:
      // Without an attempt to connect, it was the name.
      error.connectionErrors.first.map { Self.reason(of: $0.error) }
        ?? "the name \(error.host) does not resolve"
    case let error as IOError:
      strerror(error.errnoCode).map { String(cString: $0) } ?? "error \(error.errnoCode)"
    case ChannelError.connectTimeout:
      "no answer"
    default:
      "\(error)"
    }
  }
}
