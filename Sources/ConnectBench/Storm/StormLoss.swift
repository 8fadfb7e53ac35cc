import ArgumentParser

/// How connections are lost.
enum StormLoss: String, CaseIterable, ExpressibleByArgument, Encodable {
  /// The gateway that has them is killed; they come back to the others.
  case gateway
  /// The clients close their sockets, all at once, of which gateways know at once; they come back to all.
  case clients

  var text: String {
    switch self {
    case .gateway: "on a gateway that was killed"
    case .clients: "closed by their clients"
    }
  }
}
