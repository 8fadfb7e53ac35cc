import Foundation
import ServiceLifecycle
import Settings
import UnixSignals

/// The signals that stop a service in an orderly way.
enum StopSignals {
  /// Beside SIGTERM and SIGINT also those of a terminal that is closed and of Ctrl-\: neither should cost
  /// a drain. SIGHUP stays ignored where whoever started us has it ignored, as `nohup` does.
  static let all: [UnixSignal] = {
    var signals: [UnixSignal] = [.sigterm, .sigint, .sigquit]
    if !Self.isIgnored(SIGHUP) { signals.append(.sighup) }
    return signals
  }()

  private static func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    guard sigaction(number, nil, &action) == 0 else { return false }
    #if os(Linux)
      return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
    #else
      return unsafeBitCast(action.__sigaction_u.__sa_handler, to: Int.self) == 1
    #endif
  }
}

/// An operator who asks twice does not want to wait: the second such signal cancels the stop.
///
/// A gateway then closes all connections at once, and still stores cursors and leaves the registry.
struct SecondSignal: Service {
  func run() async throws {
    var signals = 0
    let sequence = await UnixSignalsSequence(trapping: StopSignals.all)
    for await _ in sequence.cancelOnGracefulShutdown() {
      signals += 1
      if signals == 2 {
        throw Failure(.running, "a second signal has cut the stop short")
      }
    }
  }
}
