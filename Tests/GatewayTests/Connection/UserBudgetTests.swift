import ConnectProtocol
import MessageBus
import Testing

@testable import Gateway

/// A full budget at 0 s.
func userBudget(
  sendsPerSecond: Int = 10, lookUpsPerSecond: Int = 1, lookUpsAtOnce: Int = 5
) -> UserBudget {
  var configuration = GatewayConfiguration(
    host: "127.0.0.1", port: 0, id: InstanceID("g1")!,
    keys: Keys(partitions: PartitionMap(count: 1)))
  configuration.sendsPerSecond = sendsPerSecond
  configuration.lookUpsPerSecond = lookUpsPerSecond
  configuration.lookUpsAtOnce = lookUpsAtOnce
  return UserBudget(configuration, now: 0)
}

@Suite("A user's budget")
struct UserBudgetTests {
  private static let second: UInt64 = 1_000_000_000

  @Test("has its look-up back for a repeat that never reached the bus")
  func givenBack() {
    let budget = userBudget(sendsPerSecond: 100, lookUpsPerSecond: 1, lookUpsAtOnce: 1)
    for _ in 0..<5 {
      #expect(budget.takeSend(isLookedUp: true, now: 1) == nil)
      #expect(budget.takeSend(isLookedUp: true, now: 1) == .lookUps(1_000))
      budget.returnLookUp()
    }
    budget.returnLookUp()
    #expect(budget.takeSend(isLookedUp: true, now: 1) == nil)
    #expect(budget.takeSend(isLookedUp: true, now: 1) != nil, "one is all there ever was")
  }

  @Test("is drawn upon by sends and positions, of which new positions leave half the burst")
  func shared() {
    let budget = userBudget()
    for _ in 0..<10 { #expect(budget.takePosition(haveWaited: false, now: 0)) }
    #expect(!budget.takePosition(haveWaited: false, now: 0))
    for _ in 0..<5 { #expect(budget.takePosition(haveWaited: true, now: 0)) }
    for _ in 0..<5 { #expect(budget.takeSend(isLookedUp: false, now: 0) == nil) }
    #expect(budget.takeSend(isLookedUp: false, now: 0) == .sends(100))
    #expect(!budget.takePosition(haveWaited: true, now: 0))
    #expect(budget.takePosition(haveWaited: true, now: Self.second))
  }

  @Test("has a part of its own for sends that are to be looked up, which count as sends too")
  func lookUps() {
    let budget = userBudget()
    for _ in 0..<5 { #expect(budget.takeSend(isLookedUp: true, now: 0) == nil) }
    #expect(budget.takeSend(isLookedUp: true, now: 0) == .lookUps(1_000))
    // What is refused costs nothing.
    for _ in 0..<15 { #expect(budget.takeSend(isLookedUp: false, now: 0) == nil) }
    #expect(budget.takeSend(isLookedUp: true, now: Self.second) == nil)
    for _ in 0..<9 { #expect(budget.takeSend(isLookedUp: false, now: Self.second) == nil) }
    #expect(budget.takeSend(isLookedUp: true, now: 2 * Self.second - 1) != nil)
  }

  @Test("is not charged for a request that could not be answered")
  func requestGivenBack() {
    let budget = userBudget()
    let burst = GatewayLimits.requestsPerSecond * GatewayLimits.requestBurstSeconds
    for _ in 0..<3 * burst {
      #expect(budget.takeRequest(now: 0) == nil)
      budget.returnRequest()
    }
    for _ in 0..<burst { #expect(budget.takeRequest(now: 0) == nil) }
    #expect(budget.takeRequest(now: 0) == .requests(500))
  }

  @Test("has few large pages, which come back slowly")
  func largePages() {
    let budget = userBudget()
    for _ in 0..<20 { #expect(budget.takeLargePage(now: 0)) }
    #expect(!budget.takeLargePage(now: 2 * Self.second - 1))
    #expect(budget.takeLargePage(now: 2 * Self.second))
    #expect(!budget.takeLargePage(now: 2 * Self.second))
    #expect(!budget.isFull(now: 41 * Self.second))
    #expect(budget.isFull(now: 42 * Self.second))
  }

  @Test("is full when both parts are")
  func full() {
    let budget = userBudget()
    #expect(budget.isFull(now: 0))
    for _ in 0..<3 { #expect(budget.takeSend(isLookedUp: true, now: 0) == nil) }
    #expect(!budget.isFull(now: 2 * Self.second))
    #expect(budget.isFull(now: 3 * Self.second))
  }

  @Test("has no end where sends have no limit")
  func unlimited() {
    let budget = userBudget(sendsPerSecond: 0)
    for _ in 0..<1_000 {
      #expect(budget.takeSend(isLookedUp: true, now: 0) == nil)
      #expect(budget.takePosition(haveWaited: false, now: 0))
    }
    #expect(budget.isFull(now: 0))
  }

  @Test("gives each token once, however many threads ask")
  func threads() async {
    let budget = userBudget(sendsPerSecond: 1_000)
    let taken = await withTaskGroup(of: Int.self) { tasks in
      for _ in 0..<4 {
        tasks.addTask {
          (0..<1_000).count { _ in budget.takeSend(isLookedUp: false, now: 0) == nil }
        }
      }
      return await tasks.reduce(0, +)
    }
    #expect(taken == 2_000)
  }
}
