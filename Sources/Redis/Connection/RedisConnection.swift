import NIOCore
import NIOPosix
import SocketErrors
import TLS

/// Opens connections: TCP, then TLS if the URL says so, then AUTH and SELECT, then PING.
enum RedisConnection {
  typealias Opened = EventLoopFuture<NIOLoopBound<RedisConnectionHandler>>

  /// Opens one connection, ready for batches.
  ///
  /// On `eventLoop` only, where the future completes and `onClose` is called, once, if the connection
  /// was ever ready and is gone. The future fails with a ``RedisError`` within
  /// ``RedisLimits/connectTimeoutMilliseconds``.
  static func open(
    to address: RedisAddress, as configuration: RedisConfiguration, on eventLoop: any EventLoop,
    onClose: @escaping (ConnectionEnd) -> Void
  ) -> Opened {
    let opening = Opening(address, configuration, eventLoop, onClose: onClose)
    opening.begin()
    return opening.opened.futureResult
  }
}

/// One attempt. Runs on the connection's event loop.
private final class Opening {
  private let address: RedisAddress
  private let configuration: RedisConfiguration
  private let eventLoop: any EventLoop
  private let onClose: (ConnectionEnd) -> Void
  let opened: EventLoopPromise<NIOLoopBound<RedisConnectionHandler>>
  private let deadline: NIODeadline
  /// The awaited step, for the error if it does not come.
  private var step = "no answer"
  private var channel: (any Channel)?
  private var isDone = false

  init(
    _ address: RedisAddress, _ configuration: RedisConfiguration, _ eventLoop: any EventLoop,
    onClose: @escaping (ConnectionEnd) -> Void
  ) {
    self.address = address
    self.configuration = configuration
    self.eventLoop = eventLoop
    self.onClose = onClose
    self.opened = eventLoop.makePromise()
    self.deadline = .now() + .milliseconds(RedisLimits.connectTimeoutMilliseconds)
  }

  func begin() {
    let timer = self.eventLoop.assumeIsolated().scheduleTask(deadline: self.deadline) {
      self.fail(.unavailable("cannot connect to \(self.address): \(self.step)"))
    }
    self.opened.futureResult.assumeIsolated().whenComplete { _ in timer.cancel() }
    guard let path = self.configuration.passwordFile else {
      return self.connect(password: self.configuration.url.password)
    }
    // Not on the event loop: a mounted secret may be a network away.
    NIOThreadPool.singleton.runIfActive(eventLoop: self.eventLoop) {
      PasswordFile.read(path)
    }.assumeIsolated().whenComplete { result in
      switch result {
      case .success(.success(let password)): self.connect(password: password)
      case .success(.failure(let error)): self.fail(error)
      case .failure(let error): self.fail(.unavailable("\(error)"))
      }
    }
  }

  private func connect(password: String?) {
    guard !self.isDone else { return }
    let (address, tls) = (self.address, self.configuration.tls)
    let metrics = self.configuration.metrics
    let ready = self.eventLoop.makePromise(of: Void.self)
    ClientBootstrap(group: self.eventLoop)
      .connectTimeout(max(self.deadline - .now(), .milliseconds(1)))
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .channelOption(.socketOption(.so_keepalive), value: 1)
      .channelInitializer { channel in
        // For each address of the host's name that is tried, so each has handlers of its own.
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(RedisConnectionHandler(metrics: metrics))
        }
      }
      .connect(host: address.host, port: address.port)
      .assumeIsolated()
      .whenComplete { result in
        switch result {
        case .failure(let error):
          ready.succeed()
          self.fail(
            .unavailable("cannot connect to \(address): \(SocketFailure.reason(of: error))"))
        case .success(let channel):
          guard !self.isDone else {
            ready.succeed()
            return channel.close(promise: nil)
          }
          self.channel = channel
          self.connected(channel, tls: tls, ready: ready, password: password)
        }
      }
  }

  private func connected(
    _ channel: any Channel, tls: TLSContext?, ready: EventLoopPromise<Void>, password: String?
  ) {
    let handler: RedisConnectionHandler
    do {
      handler = try channel.pipeline.syncOperations.handler(type: RedisConnectionHandler.self)
      if let tls {
        self.step =
          "no answer to the TLS handshake; if the port serves no TLS, the URL must begin with "
          + "redis://"
        try channel.pipeline.syncOperations.addHandler(
          TLSClientHandler(
            context: tls, host: self.address.host, port: self.address.port, ready: ready),
          position: .first)
      } else {
        ready.succeed()
      }
    } catch {
      ready.succeed()
      return self.fail(.unavailable("cannot connect to \(self.address): \(error)"))
    }
    ready.futureResult.assumeIsolated().whenComplete { result in
      switch result {
      case .success: self.logIn(over: handler, password: password)
      case .failure(let error): self.fail(.unavailable("\(RedisError.handshakeReason)\(error)"))
      }
    }
  }

  private func logIn(over handler: RedisConnectionHandler, password: String?) {
    guard !self.isDone else { return }
    self.step = "no answer to the login"
    if self.configuration.tls == nil { self.step += "; \(Self.tlsAdvice)" }
    let batch = self.handshake(password: password)
    // A reply may be late: it is this attempt's deadline that ends the wait.
    let timeout = TimeAmount.milliseconds(2 * RedisLimits.connectTimeoutMilliseconds)
    handler.submit(batch, timeout: timeout) { replies in
      do throws(RedisError) {
        try replies.check()
        // It may have been closed together with the last reply: for what came behind that.
        if let reason = handler.closeReason { throw reason }
        guard !self.isDone else { return handler.close(.unavailable("too late")) }
        handler.onClose = self.onClose
        self.isDone = true
        self.opened.succeed(NIOLoopBound(handler, eventLoop: self.eventLoop))
      } catch {
        handler.close(error)
        self.fail(self.explained(error, isFirst: (try? replies.cursor(0)) == nil))
      }
    }
  }

  /// Explains what a plain client sees at a TLS port: the connection ends, or it is not RESP.
  private func explained(_ error: RedisError, isFirst: Bool) -> RedisError {
    guard isFirst, self.configuration.tls == nil, case .unanswered(let reason) = error else {
      return error
    }
    return .unanswered("\(reason); \(Self.tlsAdvice)")
  }

  private static let tlsAdvice = "if the port serves TLS, the URL must begin with rediss://"

  /// PING is last: it reveals a missing AUTH (NOAUTH) and a data set that is loading (LOADING).
  private func handshake(password: String?) -> RedisBatch {
    let url = self.configuration.url
    var batch = RedisBatch()
    switch (url.user, password) {
    case (let user?, let password): batch.append("AUTH", user, password ?? "")
    case (nil, let password?): batch.append("AUTH", password)
    case (nil, nil): break
    }
    if url.database != 0 { batch.append("SELECT", "\(url.database)") }
    batch.append("PING")
    batch.maximumReplyBytes = RedisLimits.maximumLoginReplyBytes
    return batch
  }

  private func fail(_ error: RedisError) {
    guard !self.isDone else { return }
    self.isDone = true
    self.opened.fail(error)
    self.channel?.close(promise: nil)
  }
}
