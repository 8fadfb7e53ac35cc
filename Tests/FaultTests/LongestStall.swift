/// The longest time for which this process did not come to what was due: a measure of how busy the
/// machine is.
enum LongestStall {
  private static let tick = Duration.milliseconds(5)

  /// Runs `body`, and returns the longest stall meanwhile.
  static func during(_ body: () async throws -> Void) async throws -> Duration {
    try await withThrowingTaskGroup(of: Duration.self) { group in
      group.addTask { await self.watch() }
      try await body()
      group.cancelAll()
      return try await group.next() ?? .zero
    }
  }

  /// Until it is cancelled.
  private static func watch() async -> Duration {
    var longest = Duration.zero
    while true {
      let due = ContinuousClock.now + self.tick
      guard (try? await Task.sleep(until: due, clock: .continuous)) != nil else { return longest }
      longest = max(longest, due.duration(to: .now))
    }
  }
}
