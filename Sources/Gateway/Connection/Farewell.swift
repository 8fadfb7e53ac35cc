import ConnectProtocol

/// Why a connection is told to go, though nothing is wrong with it.
struct Farewell: Hashable {
  /// What it is closed with.
  let code: CloseCode
  /// For a person.
  let reason: String
  /// Whether nothing is to be stored any more of where the device was: its user is erased.
  let isErased: Bool

  /// The gateway stops.
  static let restart = Farewell(
    code: .restart, reason: "this gateway is stopping", isErased: false)
  /// The app's backend wants the device to come back with a new token.
  static let disconnected = Farewell(
    code: .tokenExpired, reason: "ended by the app; connect with a new token", isErased: false)
  /// The app's backend has erased the user.
  static let erased = Farewell(
    code: .tokenExpired, reason: "ended by the app; connect with a new token", isErased: true)
}
