import Testing

@testable import ConnectBench

@Suite("The ports of a stand")
struct StandPortsTests {
  @Test("are a block of its own for each that starts at the same moment, until it ends")
  func together() async throws {
    var chosen: [StandPorts] = []
    try await withThrowingTaskGroup { group in
      for _ in 0..<6 {
        group.addTask { try await StandPorts.choose(given: nil, before: nil, state: "of the test") }
      }
      for try await ports in group { chosen.append(ports) }
    }
    let bases = chosen.map(\.base).sorted()
    #expect(zip(bases, bases.dropFirst()).allSatisfy { $1 - $0 >= StandPorts.distance })
    for ports in chosen {
      let claim = try #require(ports.claim)
      #expect(await Loopback.listen(on: ports.base + StandPorts.count) == nil, "it is taken")
      try await claim.close()
    }
  }

  @Test("have nothing behind the last that there are")
  func last() async { #expect(await Loopback.listen(on: 65_536) == nil) }
}
