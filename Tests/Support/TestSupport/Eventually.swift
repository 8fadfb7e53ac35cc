import NIOCore
import Redis

/// How long tests wait. Far above what is expected, so that a slow machine fails no test.
package enum TestWaits {
  /// How long for what must come, and for what must still be there.
  package static let usual = Duration.seconds(60)
  /// How often what is waited for is asked about.
  package static let poll = Duration.milliseconds(5)
  /// How often at least, before one that is waited for for so long is given up: while other tests had the processors,
  /// what is waited for could not come either.
  package static let looks = 400
}

/// The failure of a test that waited in vain, in a sentence.
package struct TestFailure: Error, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }
}

/// Waits until a condition holds.
///
/// - Parameter what: completes the sentence "it did not happen that …".
package func eventually(
  _ what: String, within wait: Duration = TestWaits.usual,
  _ condition: () async throws -> Bool
) async throws {
  guard try await eventually(within: wait, condition) else {
    throw TestFailure("it did not happen within \(wait) that \(what)")
  }
}

/// Asks until there is an answer.
///
/// - Parameter what: completes the sentence "it did not happen that …", and is asked for at the end.
package func eventually<Value>(
  _ what: @autoclosure () -> String, within wait: Duration = TestWaits.usual,
  _ ask: () async throws -> Value?
) async throws -> Value {
  if let answer = try await firstAnswer(within: wait, ask) { return answer }
  throw TestFailure("it did not happen within \(wait) that \(what())")
}

/// Waits until a condition holds, and says whether it came to that.
package func eventually(
  within wait: Duration = TestWaits.usual, _ condition: () async throws -> Bool
) async throws -> Bool {
  try await firstAnswer(within: wait) { try await condition() ? true : nil } != nil
}

private func firstAnswer<Value>(
  within wait: Duration, _ ask: () async throws -> Value?
) async throws -> Value? {
  let deadline = ContinuousClock.now + wait
  var looks = 0
  while true {
    if let answer = try await ask() { return answer }
    looks += 1
    let hasLooked = looks >= TestWaits.looks || wait < TestWaits.usual
    if ContinuousClock.now >= deadline, hasLooked { return nil }
    try await Task.sleep(for: TestWaits.poll)
  }
}

extension RedisClient {
  /// Waits for a connection, for a bounded time.
  package func waitUntilReady() async throws {
    let promise = self.eventLoop.makePromise(of: Void.self)
    self.whenReady().cascade(to: promise)
    let timer = self.eventLoop.scheduleTask(in: TimeAmount(TestWaits.usual)) {
      promise.fail(TestFailure("there was no connection to Redis within \(TestWaits.usual)"))
    }
    defer { timer.cancel() }
    try await promise.futureResult.get()
  }
}
