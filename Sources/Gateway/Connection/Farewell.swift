import ConnectProtocol

/// Why a connection is closed though nothing is wrong with it.
struct Farewell: Hashable {
  let code: CloseCode
  /// A sentence for people.
  let reason: String
  /// Whether the device's position must no longer be stored: its user is erased.
  let isErased: Bool

  static let restart = Farewell(
    code: .restart, reason: "this gateway is stopping", isErased: false)
  /// The app's backend wants the device to connect again, with a new token.
  static let disconnected = Farewell(
    code: .tokenExpired, reason: "ended by the app; connect with a new token", isErased: false)
  /// The app's backend erased the user.
  static let erased = Farewell(
    code: .tokenExpired, reason: "ended by the app; connect with a new token", isErased: true)
}
