import NIOCore
import Settings

/// Ports of everything in a stand: a block on 127.0.0.1.
struct StandPorts: Sendable {
  /// Ports in a block.
  static let count = 33
  /// From one block that is chosen to the next: the port between them is listened on by whoever has the block,
  /// so that two stands that start at the same moment do not choose the same.
  static let distance = count + 1

  /// The first port of each kind, as an offset in the block.
  enum Kind: Int, Sendable {
    case http = 0
    case https = 1
    case statistics = 2
    case admin = 3
    case gateway = 4
    case gatewayManagement = 8
    case messagingManagement = 12
    case messagingAPI = 16
    case redis = 20
    case redisBus = 26
    case api = 32
  }

  let base: Int
  /// Holds a block that was chosen until it is closed, or this process ends. Nil where ports were given and
  /// another has the one behind them.
  let claim: (any Channel)?

  private init(claiming base: Int) async {
    self.base = base
    self.claim = await Loopback.listen(on: base + Self.count)
  }

  /// The port of a kind, for the first or another place.
  subscript(_ kind: Kind, place: Int = 1) -> Int { self.base + kind.rawValue + place - 1 }

  /// Where `/healthz`, `/readyz` and `/metrics` of a gateway or a messaging instance are.
  static func management(of service: Deployment.Service) -> Kind {
    service == .gateway ? .gatewayManagement : .messagingManagement
  }

  /// The ports that were given, or those of the last time, or some that are free.
  ///
  /// - Parameter before: those of the last time: a Redis cluster stays on its ports.
  static func choose(
    given: Int?, before: Int?, state: String
  ) async throws(Failure) -> StandPorts {
    if let given, let before, given != before {
      throw Failure(
        .running,
        "--ports: the Redis cluster in \(state) is on ports from \(before) on; "
          + "take another --state, or remove that directory")
    }
    if let base = given ?? before { return try await StandPorts(claiming: base).free() }
    let blocks = StandLimits.ports.count / Self.distance
    for _ in 0..<StandLimits.portAttempts {
      let block = Int.random(in: 0..<blocks)
      let ports = await StandPorts(claiming: StandLimits.ports.lowerBound + block * Self.distance)
      guard let claim = ports.claim else { continue }
      if let free = try? await ports.free() { return free }
      try? await claim.close()
    }
    throw Failure(
      .running,
      "no \(Self.count) free ports were found from \(StandLimits.ports.lowerBound) to "
        + "\(StandLimits.ports.upperBound): end other stands, or choose some with --ports")
  }

  /// Returns itself if nobody listens on any of the ports.
  private func free() async throws(Failure) -> StandPorts {
    for port in self.base..<(self.base + Self.count) where await Loopback.isListening(on: port) {
      throw Failure(
        .running,
        "port \(port) is in use; the stand needs \(self.base) to \(self.base + Self.count - 1): "
          + "end what listens there, or take another --state or --ports")
    }
    return self
  }
}
