import DequeModule

/// Lets at most so many tests do something at a time, in the order in which they ask.
package actor TestSemaphore {
  private let count: Int
  private var free: Int
  private var waiting: Deque<(places: Int, CheckedContinuation<Void, Never>)> = []

  package init(count: Int) {
    self.count = count
    self.free = count
  }

  /// Runs a test once there is room for it.
  ///
  /// - Parameter isAlone: whether it takes all places.
  package nonisolated func withPlace<Result>(
    isAlone: Bool = false, _ body: () async throws -> Result
  ) async throws -> Result {
    let places = isAlone ? self.count : 1
    await self.enter(places)
    do {
      let result = try await body()
      await self.leave(places)
      return result
    } catch {
      await self.leave(places)
      throw error
    }
  }

  private func enter(_ places: Int) async {
    if self.waiting.isEmpty, self.free >= places {
      self.free -= places
    } else {
      await withCheckedContinuation { self.waiting.append((places, $0)) }
    }
  }

  private func leave(_ places: Int) {
    self.free += places
    while let (places, continuation) = self.waiting.first, self.free >= places {
      self.free -= places
      self.waiting.removeFirst()
      continuation.resume()
    }
  }
}
