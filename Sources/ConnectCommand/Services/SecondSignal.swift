import ServiceLifecycle
import UnixSignals

/// Whoever asks twice does not want to wait: the second SIGTERM or SIGINT cancels what is stopping.
///
/// A gateway then closes all connections at once, and still stores cursors and leaves the registry.
struct SecondSignal: Service {
  func run() async throws {
    var signals = 0
    let sequence = await UnixSignalsSequence(trapping: .sigterm, .sigint)
    for await _ in sequence.cancelOnGracefulShutdown() {
      signals += 1
      if signals == 2 {
        throw Failure(.running, "a second signal has cut the stop short")
      }
    }
  }
}
