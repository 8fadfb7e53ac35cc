import ConnectProtocol

/// What the client asks for: the list of its conversations, and history.
extension ConnectionHandler {
  func handle(_ request: ClientFrame.Conversations) {}

  func handle(_ request: ClientFrame.History) {}
}
