import NIOCore
import Redis

extension GroupConsumer {
  /// Waits for this time, or until ``stop()``, or until Redis can be reached again if it cannot now: the
  /// connections themselves come back with jitter.
  func pause(_ milliseconds: Int64) async {
    let end = self.client.eventLoop.makePromise(of: Void.self)
    self.pauseEnd = end
    let timer = self.client.eventLoop.scheduleTask(in: .milliseconds(milliseconds)) {
      end.succeed()
    }
    self.endPauseWhenReachable()
    await withTaskCancellationHandler {
      try? await end.futureResult.get()
    } onCancel: {
      end.succeed()
    }
    timer.cancel()
    self.pauseEnd = nil
  }

  /// However many pauses an outage has, the clients are asked once.
  private func endPauseWhenReachable() {
    guard !self.isReachable, !self.isAwaitingRedis else { return }
    self.isAwaitingRedis = true
    self.client.whenReady().and(self.reader.whenReady()).assumeIsolated().whenComplete { result in
      self.isAwaitingRedis = false
      guard case .success = result, let end = self.pauseEnd else { return }
      // The one that came back first may be away again.
      if self.isReachable { end.succeed() } else { self.endPauseWhenReachable() }
    }
  }

  private var isReachable: Bool { self.client.isReady && self.reader.isReady }
}
