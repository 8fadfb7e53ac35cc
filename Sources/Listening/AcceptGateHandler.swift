import Logging
import NIOConcurrencyHelpers
import NIOCore
import Synchronization

#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Counts the sockets that a port has accepted, whatever became of them, and stops accepting as
/// ``AcceptGate`` decides.
///
/// It turns `autoRead` off rather than swallow reads: after an accept that failed NIO asks for no new
/// read, but goes on with the one that is pending, at once and for ever.
final class AcceptGateHandler: ChannelInboundHandler {
  typealias InboundIn = any Channel
  typealias InboundOut = any Channel

  private let bounds: ListenerBounds
  private let sockets: ListenerSockets
  private let metrics: ListenerMetrics
  private let logger: Logger
  private var gate = AcceptGate()
  private var context: ChannelHandlerContext?
  private var nextLook: Scheduled<Void>?

  init(bounds: ListenerBounds, metrics: ListenerMetrics, logger: Logger) {
    self.bounds = bounds
    self.metrics = metrics
    self.logger = logger
    self.sockets = ListenerSockets(
      budgets: [SocketBudget(limit: bounds.sockets)] + (bounds.shared.map { [$0] } ?? []),
      metrics: metrics)
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    let eventLoop = context.eventLoop
    let handler = NIOLoopBound(self, eventLoop: eventLoop)
    self.sockets.onClose { eventLoop.execute { handler.value.look() } }
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    self.context = nil
    self.nextLook?.cancel()
    self.sockets.onClose(nil)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    self.sockets.opened(self.unwrapInboundIn(data))
    if let decision = self.gate.accepted(self.room) { self.pause(decision) }
    context.fireChannelRead(data)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if let error = error as? IOError, Self.exhaustion.contains(error.errnoCode),
      let decision = self.gate.failed()
    {
      if error.errnoCode == EMFILE { self.bounds.shared?.ranOut() }
      self.pause(decision, error: error)
    }
    context.fireErrorCaught(error)
  }

  /// Errors of an exhausted resource that others will return.
  private static let exhaustion = [EMFILE, ENFILE, ENOBUFS, ENOMEM]

  private var room: AcceptGate.Room {
    let budgets = self.sockets.budgets
    if budgets[0].isUsedUp { return .none(.sockets) }
    if budgets.contains(where: \.isUsedUp) { return .none(.descriptors) }
    return budgets.allSatisfy(\.isAtEase) ? .plenty : .scarce
  }

  private func look() { self.carryOut(self.gate.looked(self.room)) }

  private func pause(_ decision: AcceptGate.Decision, error: IOError? = nil) {
    self.metrics.pauses.increment()
    self.carryOut(decision, error: error)
  }

  private func carryOut(_ decision: AcceptGate.Decision, error: IOError? = nil) {
    guard let context = self.context else { return }
    self.sockets.isAwaited.store(!decision.accepts, ordering: .relaxed)
    // Fails only when the port is closed, and then nothing is accepted in any case.
    try? context.channel.syncOptions?.setOption(.autoRead, value: decision.accepts)
    self.nextLook?.cancel()
    self.nextLook = decision.wait.map { wait in
      context.eventLoop.assumeIsolated().scheduleTask(
        in: .milliseconds(Int64.random(in: wait / 2...wait))
      ) { self.look() }
    }
    switch decision.event {
    case .paused(let cause):
      self.logger.warning(
        "listener.paused",
        metadata: [
          "listener": "\(self.bounds.name)", "sockets": "\(self.sockets.budgets[0].open)",
          "reason": "\(error.map { "\($0)" } ?? cause.rawValue)",
        ])
    case .resumed:
      self.logger.notice(
        "listener.resumed",
        metadata: [
          "listener": "\(self.bounds.name)", "sockets": "\(self.sockets.budgets[0].open)",
        ])
    case nil:
      break
    }
  }
}

/// The open sockets of a port, counted by their own event loops.
final class ListenerSockets: Sendable {
  /// The port's own budget comes first.
  let budgets: [SocketBudget]
  /// Whether the port waits for one to close.
  let isAwaited = Atomic(false)
  private let metrics: ListenerMetrics
  private let whenClosed = NIOLockedValueBox<(@Sendable () -> Void)?>(nil)

  init(budgets: [SocketBudget], metrics: ListenerMetrics) {
    self.budgets = budgets
    self.metrics = metrics
  }

  /// `body` is called, on any thread, when a socket closes while one is awaited.
  func onClose(_ body: (@Sendable () -> Void)?) {
    self.whenClosed.withLockedValue { $0 = body }
  }

  func opened(_ channel: any Channel) {
    for budget in self.budgets { budget.take() }
    self.metrics.sockets.increment()
    channel.closeFuture.whenComplete { _ in self.closed() }
  }

  private func closed() {
    for budget in self.budgets { budget.giveBack() }
    self.metrics.sockets.decrement()
    // One that closes just before it is awaited is noticed at the next look.
    guard self.isAwaited.load(ordering: .relaxed),
      self.isAwaited.exchange(false, ordering: .relaxed)
    else { return }
    self.whenClosed.withLockedValue { $0 }?()
  }
}
