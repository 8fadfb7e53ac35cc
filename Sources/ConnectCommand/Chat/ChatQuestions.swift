import ConnectClient
import ConnectProtocol

/// What a chat asks the server for, as lines to show.
struct ChatQuestions: Sendable {
  let user: UserName
  let conversation: Conversation

  /// The newest messages with the peer, oldest first.
  ///
  /// - Parameter count: how many at most.
  func history(_ count: Int) async -> [String] {
    func placed() -> [Conversation.Entry] { self.conversation.entries.filter { $0.offset != nil } }
    do throws(ConnectRequestError) {
      while placed().count < count {
        // Before the first connection nothing is known of earlier ones, and this waits for it.
        try await self.conversation.loadEarlier(
          limit: min(count, ClientFrame.History.maximumLimit))
        guard self.conversation.hasEarlier else { break }
      }
    } catch {
      return Self.lines(error, "history did not come")
    }
    let entries = placed().suffix(count)
    let peer = self.conversation.name
    guard !entries.isEmpty else { return ["-- there are no messages with \(peer)"] }
    return ["-- the last \(entries.count) of \(peer)"] + entries.flatMap(Self.lines)
  }

  static func lines(_ entry: Conversation.Entry) -> [String] {
    guard let failure = entry.failure else { return [Self.line(entry)] }
    let reason = ChatBody.visible(failure)
    return [Self.line(entry), "         ✗  not delivered to \(entry.to): \(reason)"]
  }

  /// - Parameter to: what to say of the recipient.
  static func line(_ entry: Conversation.Entry, to: String = "") -> String {
    let text = ChatBody.visible(ChatBody.decode(entry.body))
    return "\(ChatTime.text(milliseconds: entry.at))    \(entry.from)\(to): \(text)"
  }

  /// Who of those with whom the user wrote lately is online, and when the others were last seen.
  func who() async -> [String] {
    let (client, peer) = (self.conversation.client, self.conversation.name)
    let limit = ClientFrame.Conversations.maximumLimit
    do throws(ConnectRequestError) {
      if client.conversations.items.count < limit { try await client.conversations.loadMore() }
      var peers = client.conversations.items.prefix(limit).map(\.peer.name)
        .filter { $0 != self.user }
      if peer != self.user, !peers.contains(peer) { peers.insert(peer, at: 0) }
      let statuses = try await client.presence(of: peers)
      return peers.map { "-- \($0): \(Self.text(statuses[$0]))" }
    } catch {
      return Self.lines(error, "it is not known who is online")
    }
  }

  private static func lines(_ error: ConnectRequestError, _ what: String) -> [String] {
    switch error {
    // Nobody waits for it any more.
    case .ended, .cancelled: []
    default: ["-- \(what): \(ChatBody.visible("\(error)"))"]
    }
  }

  static func text(_ status: ServerFrame.Presence.Status?) -> String {
    guard let status else { return "unknown" }
    if status.online { return "online" }
    guard let lastSeen = status.lastSeen else { return "offline" }
    return "last seen \(ChatTime.text(milliseconds: lastSeen))"
  }
}
