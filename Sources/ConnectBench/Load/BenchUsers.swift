import ConnectClient
import ConnectProtocol
import Settings

/// Opens the connections of a benchmark.
enum BenchUsers {
  /// Connections opened before waiting for them.
  static let atOnce = 200
  /// Time for these to open.
  static let limit = Duration.seconds(120)

  /// - Parameter endpoints: the gateways to connect to; nil for all.
  static func open(
    _ connections: Int, run: BenchRun, stand: BenchStand, endpoints: [ConnectEndpoint]? = nil,
    _ screen: ProgressScreen
  ) async throws {
    let all = endpoints ?? stand.endpoints
    // Another prefix each time: what an earlier run left in the same Redis is not replayed.
    let prefix = "bench-\(String(UInt32.random(in: .min ... .max), radix: 16))-"
    var opened = 0
    while opened < connections {
      let next = min(connections, opened + Self.atOnce)
      for number in stride(from: opened, to: next, by: 2) {
        let names = [UserName("\(prefix)\(number)")!, UserName("\(prefix)\(number + 1)")!]
        let tokens = [try await stand.token(names[0]), try await stand.token(names[1])]
        // Each pair on two gateways, another two for the next.
        let shift = number / 2 % all.count
        let endpoints = Array(all[shift...] + all[..<shift])
        run.eventLoop.execute {
          run.open(number: number, names: names, tokens: tokens, endpoints: endpoints)
        }
      }
      opened = next
      try await Self.waitForLive(run.connections(ofUsers: opened), run: run)
      screen.event("\(opened) of \(connections) connections open")
    }
  }

  private static func waitForLive(_ count: Int, run: BenchRun) async throws {
    _ = try await eventually("\(count) connections to be open", limit: Self.limit) {
      let (live, failure) = try await run.eventLoop.submit { (run.live, run.failure) }.get()
      if let failure { throw Failure(.running, "a connection ended: \(failure)") }
      return live >= count ? true : nil
    }
  }
}
