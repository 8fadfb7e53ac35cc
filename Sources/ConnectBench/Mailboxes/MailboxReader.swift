import ConnectClient
import ConnectProtocol
import NIOCore
import Settings

/// A device that connects, acks all that its mailbox has, and leaves.
///
/// Bound to its event loop.
final class MailboxReader: ConnectClientConnectionDelegate {
  /// What came of a replay.
  struct Replay: Sendable {
    var entries = 0
    /// From the connect to `live`.
    var duration = Duration.zero
  }

  private var start = NIODeadline.now()
  private let isDone: EventLoopPromise<Replay>
  private var connection: ConnectClientConnection?
  private var replay = Replay()
  private var ack: Offset?
  private var isLive = false
  private var attempts = OpeningAttempts()
  private var open: (() -> Void)?

  private init(_ isDone: EventLoopPromise<Replay>) { self.isDone = isDone }

  /// Reads a mailbox, and returns when the connection has ended.
  ///
  /// - Parameter since: after this offset; nil: after what the device has acked.
  static func read(
    from endpoint: ConnectEndpoint, token: String, since: Offset?, on eventLoop: any EventLoop
  ) -> EventLoopFuture<Replay> {
    let promise = eventLoop.makePromise(of: Replay.self)
    let limit = eventLoop.scheduleTask(in: .seconds(MailboxLimits.replaySeconds)) {
      promise.fail(
        Failure(
          .running,
          "a mailbox was not replayed within \(MailboxLimits.replaySeconds) s: see its gateway"))
    }
    promise.futureResult.whenComplete { _ in limit.cancel() }
    eventLoop.execute {
      let reader = MailboxReader(promise)
      reader.open = { [unowned reader] in
        reader.start = .now()
        reader.connection = ConnectClientConnection.open(
          to: endpoint, token: token, since: since, on: eventLoop, delegate: reader)
      }
      reader.open?()
    }
    return promise.futureResult
  }

  func received(
    _ frame: ServerFrame, payload: ByteBuffer, on connection: ConnectClientConnection
  ) {
    switch frame {
    case .message(let message):
      self.replay.entries += 1
      self.ack = message.offset
    case .live:
      self.isLive = true
      self.replay.duration = .nanoseconds((NIODeadline.now() - self.start).nanoseconds)
    default: break
    }
  }

  func readCompleted(on connection: ConnectClientConnection) {
    if let ack = self.ack {
      self.ack = nil
      connection.acknowledge(ack)
    }
    if self.isLive { connection.close() }
  }

  func ended(_ ended: EndedConnection, _ connection: ConnectClientConnection) {
    self.connection = nil
    if self.isLive { return self.isDone.succeed(self.replay) }
    let isOpening = self.attempts.openAgain(
      after: ended, on: self.isDone.futureResult.eventLoop
    ) { self.open?() }
    if !isOpening {
      self.isDone.fail(Failure(.running, "a reader's connection ended: \(ended.end)"))
    }
  }
}
