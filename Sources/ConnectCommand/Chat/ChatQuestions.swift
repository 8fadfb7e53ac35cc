import ConnectClient
import ConnectProtocol

/// What a chat asks the server for, as lines to show.
struct ChatQuestions: Sendable {
  let client: ConnectClient
  let user: UserName
  let peer: UserName

  /// The newest messages with the peer, oldest first.
  ///
  /// - Parameter count: how many at most.
  func history(_ count: Int) async -> [String] {
    var entries: [MailboxEntry] = []
    do throws(ConnectRequestError) {
      var before: Offset?
      repeat {
        let page = try await self.client.history(
          with: self.peer, before: before, limit: min(count, ClientFrame.History.maximumLimit))
        entries += page.entries.prefix(count - entries.count)
        before = page.next
      } while before != nil && entries.count < count
    } catch {
      return Self.lines(error, "history did not come")
    }
    guard !entries.isEmpty else { return ["-- there are no messages with \(self.peer)"] }
    return ["-- the last \(entries.count) of \(self.peer)"]
      + entries.reversed().map { Self.line($0, user: self.user) }
  }

  static func line(_ entry: MailboxEntry, user: UserName) -> String {
    switch entry {
    case .message(let message):
      let text = ChatBody.visible(ChatBody.decode(message.body))
      return "\(ChatTime.text(milliseconds: message.at))    \(message.from): \(text)"
    case .sent(let sent):
      let text = ChatBody.visible(ChatBody.decode(sent.body))
      return "\(ChatTime.text(milliseconds: sent.at))    \(user): \(text)"
    case .failed(let failed):
      let reason = ChatBody.visible("\(failed.message) (\(failed.code))")
      return "         ✗  not delivered to \(failed.to): \(reason)"
    }
  }

  /// Who of those with whom the user wrote lately is online, and when the others were last seen.
  func who() async -> [String] {
    do throws(ConnectRequestError) {
      let page = try await self.client.conversations(
        limit: ClientFrame.Conversations.maximumLimit)
      var peers = page.conversations.map(\.peer).filter { $0 != self.user }
      if self.peer != self.user, !peers.contains(self.peer) { peers.insert(self.peer, at: 0) }
      let statuses = try await self.client.presence(of: peers)
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
