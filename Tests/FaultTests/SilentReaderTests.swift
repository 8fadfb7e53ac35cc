import ConnectBench
import ConnectClient
import ConnectProtocol
import Gateway
import Synchronization
import TestSupport
import Testing

extension FaultTests {
  /// 100 MB, in 25,000 messages of 4,000 bytes, for clients that read none of them.
  static let silentReaders = 20
  static let addressed = 25_000
  static let bodyBytes = 4_000

  /// Most bytes that clients which read nothing may cost a gateway: for each of them what may wait
  /// for its socket, and, all together, the pages that may be on their way to sockets, on each of
  /// two event loops. What is left over is for the allocator.
  static var memoryBound: Int {
    let waiting = GatewayLimits.writeBufferHighBytes + 2 * GatewayLimits.frameBytes
    let page = GatewayLimits.maximumPageEntries * (bodyBytes + 300)
    return silentReaders * waiting + 2 * GatewayLimits.concurrentPages * page + 16 * 1_048_576
  }

  @Test(
    """
    when clients stop reading while 100 MB are addressed to them: the gateway's memory \
    stays within its bound, nobody else waits, and they get everything when they read again
    """)
  func clientsThatStopReading() async throws {
    var options = Stand.options
    options.gateways = 1
    options.persistence = .none
    // Who does not read does not answer pings.
    options.gatewayArguments = ["--ping-seconds", "300", "--drain-seconds", "2"]
    try await Stand.places.withPlace(.alone) {
      try await Deployment.with(options) { deployment in
        let gateway = try #require(deployment.gateways.first)
        try await Chatters.with(
          Chatters.Options(users: 8, rate: 40), endpoint: gateway.endpoint,
          token: { try await deployment.token(for: $0) }
        ) { chatters in
          try await chatters.shown(100)
          let readers = try await Self.openReaders(deployment, gateway.endpoint)
          let before = try #require(chatters.takeLatency())
          let memoryBefore = try Self.memory(of: gateway)

          let peak = try await Self.peak(of: gateway) {
            try await Self.flood(deployment, gateway.endpoint)
            try await Self.allStored(deployment)
          }
          let meanwhile = try #require(chatters.takeLatency())
          print(
            """
            gateway: \(memoryBefore >> 10) KiB before, \(peak >> 10) KiB at most, bound \
            \(Self.memoryBound >> 10) KiB more; others' latency: median \(before.median) before, \
            \(meanwhile.median) meanwhile (\(meanwhile.median / before.median) times), longest \
            \(meanwhile.longest)
            """)
          #expect(peak - memoryBefore < Self.memoryBound)

          readers.forEach { $0.read() }
          for reader in readers {
            let progress = try await eventually(
              "all messages are read", within: FaultLimits.settle
            ) {
              let progress = try await reader.progress()
              return progress.count >= Self.addressed / Self.silentReaders || progress.ended != nil
                ? progress : nil
            }
            #expect(progress.count == Self.addressed / Self.silentReaders)
            #expect(progress.disorder == 0)
            #expect(progress.ended == nil)
            reader.close()
          }
          let counts = chatters.counts
          #expect(counts.reconnects == 0, "nobody was disconnected")
          try await chatters.recovered()
        }
      }
    }
  }

  private static func memory(of gateway: Deployment.Instance) throws -> Int {
    try #require(
      ProcessUsage(of: gateway.program.process.processIdentifier), "the system has no /proc"
    ).residentBytes
  }

  private static func name(_ reader: Int) -> UserName { UserName("silent-\(reader)")! }

  private static func openReaders(
    _ deployment: Deployment, _ endpoint: ConnectEndpoint
  ) async throws -> [SilentReader] {
    let readers = (0..<self.silentReaders).map { _ in SilentReader() }
    for (number, reader) in readers.enumerated() {
      reader.open(endpoint, token: try await deployment.token(for: self.name(number)))
    }
    for reader in readers {
      try await eventually("a client is live") {
        try await reader.progress().isLive
      }
    }
    return readers
  }

  /// The most memory that the gateway has while `body` runs, in bytes.
  private static func peak(
    of gateway: Deployment.Instance, while body: () async throws -> Void
  ) async throws -> Int {
    let peak = Mutex(0)
    async let _: Void = {
      while !Task.isCancelled {
        let now = (try? self.memory(of: gateway)) ?? 0
        peak.withLock { $0 = max($0, now) }
        try? await Task.sleep(for: .milliseconds(100))
      }
    }()
    try await body()
    return peak.withLock { $0 }
  }

  /// Sends every message, each to the next reader, from one user.
  private static func flood(_ deployment: Deployment, _ endpoint: ConnectEndpoint) async throws {
    let sender = UserName("sender")!
    let client = ConnectClient(
      configuration: .init(endpoint: endpoint), token: { try await deployment.token(for: sender) })
    let body = String(repeating: "x", count: self.bodyBytes - 2)
    try await withThrowingTaskGroup { group in
      group.addTask { try await client.run() }
      group.addTask { for await _ in client.events {} }
      for number in 0..<self.addressed {
        try await client.enqueue(
          to: self.name(number % self.silentReaders), id: MessageID("\(number)")!, body: body)
      }
      await client.answered()
      client.close()
      try await group.waitForAll()
    }
  }

  private static func allStored(_ deployment: Deployment) async throws {
    for reader in 0..<self.silentReaders {
      try await eventually("the messages are stored") {
        let length = try await deployment.mailboxLength(of: self.name(reader).text)
        return length == self.addressed / self.silentReaders
      }
    }
  }
}
