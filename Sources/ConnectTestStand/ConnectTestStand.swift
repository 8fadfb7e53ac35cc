// ConnectTestStand: a whole Connect in the process of a test: a real redis-server, messaging and
// gateways on free ports, and clients that can break every rule of the protocol.

import Foundation
import NIOCore

/// Every limit of the stand, each with its unit.
package enum TestLimits {
  /// How long a test waits for what must come. It says only when to give up: on a busy machine the
  /// same thing takes many times as long.
  package static let wait: Duration = .seconds(60)

  /// How often a condition is looked at again.
  static let poll: Duration = .milliseconds(5)

  /// Stands that run at a time. Each has a redis-server, two threads, and a connection per partition.
  static let concurrentStands = 2

  /// Frames that a failure quotes.
  static let quotedFrames = 8
}

/// What a test waited for and did not get, in a sentence.
package struct TestFailure: Error, CustomStringConvertible {
  /// The sentence.
  package let description: String

  /// A failure with everything said.
  package init(_ description: String) { self.description = description }
}

/// Waits until a condition holds.
///
/// - Parameter what: completes the sentence "it did not happen that …".
package func eventually(
  _ what: String, within wait: Duration = TestLimits.wait,
  _ condition: () async throws -> Bool
) async throws {
  let deadline = ContinuousClock.now + wait
  while try await !condition() {
    guard ContinuousClock.now < deadline else {
      throw TestFailure("it did not happen within \(wait) that \(what)")
    }
    try await Task.sleep(for: TestLimits.poll)
  }
}
