/// Lets only some stands run at a time, however many tests a process runs at once.
actor StandPlaces {
  static let shared = StandPlaces(count: TestLimits.concurrentStands)

  private var free: Int
  private var waiting: [CheckedContinuation<Void, Never>] = []

  init(count: Int) { self.free = count }

  nonisolated func withPlace<Result>(_ body: () async throws -> Result) async throws -> Result {
    await self.enter()
    do {
      let result = try await body()
      await self.leave()
      return result
    } catch {
      await self.leave()
      throw error
    }
  }

  private func enter() async {
    if self.free > 0 {
      self.free -= 1
    } else {
      await withCheckedContinuation { self.waiting.append($0) }
    }
  }

  private func leave() {
    if self.waiting.isEmpty {
      self.free += 1
    } else {
      self.waiting.removeFirst().resume()
    }
  }
}
