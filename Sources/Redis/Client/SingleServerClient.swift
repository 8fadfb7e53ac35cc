import Logging
import NIOConcurrencyHelpers
import NIOCore

/// A client for one server: one connection, opened again whenever it is lost.
///
/// Unchecked: all state is touched on ``eventLoop`` only; the public entries check or hop.
public final class SingleServerClient: RedisClient, @unchecked Sendable {
  private enum State {
    /// A connection is being opened. May become `.ready`, `.waiting` or `.closed`.
    case connecting
    /// Batches are sent. May become `.waiting` or `.closed`.
    case ready(RedisConnectionHandler)
    /// The next attempt is timed. May become `.connecting` or `.closed`.
    case waiting(Scheduled<Void>)
    /// Final.
    case closed
  }

  /// The loop on which everything happens.
  public let eventLoop: any EventLoop
  private let url: RedisURL
  private let reachability: ReachabilityReport
  private var state = State.connecting
  private var backoff = Backoff(
    baseMilliseconds: RedisLimits.reconnectBaseMilliseconds,
    capMilliseconds: RedisLimits.reconnectCapMilliseconds)
  private var lastFailure = RedisError.unavailable("the connection is being opened")
  private var waiters: [EventLoopPromise<Void>] = []

  init(url: RedisURL, on eventLoop: any EventLoop, reachability: ReachabilityReport) {
    self.eventLoop = eventLoop
    self.url = url
    self.reachability = reachability
    eventLoop.execute { self.connect() }
  }

  /// Whether there is a connection.
  public var isReady: Bool {
    self.eventLoop.preconditionInEventLoop()
    if case .ready = self.state { return true }
    return false
  }

  /// See ``RedisClient/submit(_:timeout:completion:)``.
  public func submit(
    _ batch: RedisBatch, timeout: TimeAmount, completion: @escaping (RedisReplies) -> Void
  ) {
    self.eventLoop.preconditionInEventLoop()
    guard !batch.isEmpty else {
      return completion(RedisReplies(arena: nil, count: 0, failure: nil))
    }
    guard case .ready(let connection) = self.state else {
      return completion(.failed(batch.count, .unavailable(self.whyNot)))
    }
    connection.submit(batch, timeout: timeout, completion: completion)
  }

  /// See ``RedisClient/whenReady()``.
  public func whenReady() -> EventLoopFuture<Void> {
    let promise = self.eventLoop.makePromise(of: Void.self)
    self.onEventLoop {
      switch self.state {
      case .ready: promise.succeed()
      case .closed: promise.fail(RedisError.unavailable("the client is closed"))
      case .connecting, .waiting: self.waiters.append(promise)
      }
    }
    return promise.futureResult
  }

  /// See ``RedisClient/close()``.
  public func close() -> EventLoopFuture<Void> {
    let promise = self.eventLoop.makePromise(of: Void.self)
    self.onEventLoop {
      let reason = RedisError.unavailable("the client is closed")
      let state = self.state
      self.state = .closed
      self.lastFailure = reason
      switch state {
      case .ready(let connection): connection.close(reason)
      case .waiting(let timer): timer.cancel()
      case .connecting, .closed: break
      }
      self.waiters.forEach { $0.fail(reason) }
      self.waiters = []
      promise.succeed()
    }
    return promise.futureResult
  }

  /// Why there is no connection.
  private var whyNot: String {
    if case .unavailable(let reason) = self.lastFailure { return reason }
    return "\(self.lastFailure)"
  }

  private func onEventLoop(_ body: @escaping @Sendable () -> Void) {
    if self.eventLoop.inEventLoop { body() } else { self.eventLoop.execute(body) }
  }

  private func connect() {
    if case .closed = self.state { return }
    self.state = .connecting
    RedisConnection.open(to: self.url, on: self.eventLoop) { reason in
      self.connectionLost(reason)
    }
    .assumeIsolated().whenComplete { result in
      switch (result, self.state) {
      case (.success(let connection), .closed):
        connection.value.close(.unavailable("the client is closed"))
      case (.success(let connection), _):
        self.state = .ready(connection.value)
        self.backoff.reset()
        self.reachability.connected()
        let waiters = self.waiters
        self.waiters = []
        waiters.forEach { $0.succeed() }
      case (.failure(let error), _):
        self.connectionLost(error as? RedisError ?? .unavailable("\(error)"))
      }
    }
  }

  private func connectionLost(_ reason: RedisError) {
    if case .closed = self.state { return }
    self.lastFailure = reason
    self.reachability.failed(reason)
    let wait = TimeAmount.milliseconds(self.backoff.next())
    self.state = .waiting(self.eventLoop.scheduleTask(in: wait) { self.connect() })
  }
}

/// Makes ``SingleServerClient``s for one URL.
public struct SingleServerClientFactory: RedisClientFactory {
  private let url: RedisURL
  private let reachability: ReachabilityReport

  /// Opens nothing yet.
  public init(url: RedisURL, logger: Logger) {
    self.url = url
    self.reachability = ReachabilityReport(url: url, logger: logger)
  }

  /// See ``RedisClientFactory/makeClient(on:)``.
  public func makeClient(on eventLoop: any EventLoop) -> any RedisClient {
    SingleServerClient(url: self.url, on: eventLoop, reachability: self.reachability)
  }

  /// Connects once and disconnects, to tell an operator at start what is wrong with the URL.
  ///
  /// - Throws: ``RedisError/server(_:)`` when Redis refuses us, which no retry mends, and
  ///   ``RedisError/unavailable(_:)`` when it cannot be reached.
  public func check(on eventLoop: any EventLoop) async throws(RedisError) {
    let url = self.url
    do {
      try await eventLoop.flatSubmit {
        RedisConnection.open(to: url, on: eventLoop) { _ in }.map { connection in
          connection.value.close(.unavailable("only a check"))
        }
      }.get()
    } catch {
      throw error as? RedisError ?? .unavailable("\(error)")
    }
  }
}
