import ConnectProtocol

/// Why a connection is closed though nothing is wrong with it.
enum Farewell: Hashable {
  /// The gateway stops.
  case restart
  /// The app's backend wants the device to connect again, with a new token.
  case disconnected
  /// The app's backend erased the user.
  case erased

  var code: CloseCode {
    switch self {
    case .restart: .restart
    case .disconnected, .erased: .tokenExpired
    }
  }

  /// A sentence for people.
  var reason: String {
    switch self {
    case .restart: "this gateway is stopping"
    case .disconnected, .erased: "ended by the app; connect with a new token"
    }
  }
}
