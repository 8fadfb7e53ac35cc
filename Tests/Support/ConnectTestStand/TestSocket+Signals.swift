import ConnectProtocol
import TestSupport

/// A `signal`, with its body as it came.
package struct ReceivedSignal: Sendable, Hashable {
  /// The sender.
  package let from: String
  package let name: String
  /// One JSON value, byte for byte; nil for none.
  package let body: String?
  /// When it was taken, in milliseconds since 1970.
  package let at: UInt64
}

extension TestSocket {
  /// Sends a `signal`.
  ///
  /// - Parameter also: further fields, each with a comma before it.
  package func sendSignal(_ name: String = "typing", to user: String, also: String = "") {
    self.sendText(#"{"type":"signal","to":"\#(user)","name":"\#(name)"\#(also)}"#)
  }

  /// The next frame, which must be `signal`.
  @discardableResult
  package func expectSignal() async throws -> ReceivedSignal {
    let frame = try await self.expectFrame(type: "signal")
    guard case .signal(let signal) = frame.frame else { throw frame.misread }
    return ReceivedSignal(
      from: signal.from.text, name: signal.name.text, body: signal.body.map { frame.part($0) },
      at: signal.at)
  }
}
