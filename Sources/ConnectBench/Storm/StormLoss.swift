import ArgumentParser

/// How connections are lost.
enum StormLoss: String, CaseIterable, ExpressibleByArgument, Encodable {
  /// The gateway that has them is killed; they come back to the others.
  case gateway
  /// The clients' network is gone, and back; they come back to all gateways.
  case network

  var text: String {
    switch self {
    case .gateway: "on a gateway that was killed"
    case .network: "of which the network was gone"
    }
  }
}
