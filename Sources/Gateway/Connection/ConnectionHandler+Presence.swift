import ConnectProtocol

/// Who is online.
extension ConnectionHandler {
  func handle(_ request: ClientFrame.Presence) {}
}
