import ConnectClient
import ConnectProtocol
import NIOConcurrencyHelpers

/// A chat for people: lines with times and ticks, above the line that is being typed.
final class PeopleView: ChatView {
  private struct State {
    var screen: ChatScreen
    /// Messages of this chat that have not come back from the server.
    var own: Set<MessageID> = []
    /// The ticks of own messages that are neither read nor failed yet, as they are shown.
    var ticks: [MessageID: Conversation.State] = [:]
    var isTyping = false
    var isClosed = false
  }

  private let user: UserName
  private let peer: UserName
  private let output = OutputStream.output
  private let state: NIOLockedValueBox<State>

  init(user: UserName, peer: UserName) {
    self.user = user
    self.peer = peer
    self.state = NIOLockedValueBox(
      State(screen: ChatScreen(isTerminal: OutputStream.output.isTerminal)))
  }

  var isClosed: Bool { self.state.withLockedValue { $0.isClosed } }

  func start() { self.write { $0.screen.start() } }
  func end() { self.write { $0.screen.end() } }

  func typedNothing(_ typed: String) {
    self.write { $0.screen.empty(typed: typed, columns: self.output.size.columns) }
  }

  func show(_ lines: [String]) {
    for line in lines { self.write { self.line(line, &$0) } }
  }

  func note(_ text: String) { self.show(["\(ChatTime.text()) -- \(text)"]) }

  func sending(_ text: String, typed: String, _ outgoing: Outgoing) {
    let shown = ChatBody.visible(text)
    let line = "\(ChatTime.text()) \(ChatScreen.Tick.waiting.rawValue) \(self.user): \(shown)"
    self.write { state in
      state.own.insert(outgoing.id)
      state.ticks[outgoing.id] = .waiting
      return state.screen.own(
        line, typed: typed, id: outgoing.id.text, columns: self.output.size.columns)
    }
    // What has become of it before it was shown.
    if let entry = outgoing.entry { self.write { self.tick(entry, &$0) } }
  }

  func show(_ arrival: ConnectArrival) -> Bool {
    self.write { state in
      switch arrival {
      case .message(let entry):
        if state.own.remove(entry.id) != nil, entry.isMine, entry.to != self.user { return "" }
        let to =
          entry.isMine && ![self.user, self.peer].contains(entry.to) ? " to \(entry.to)" : ""
        return self.line(ChatQuestions.line(entry, to: to), &state)
      case .rejected(let entry):
        let text = ChatBody.visible(ChatBody.decode(entry.body))
        let reason = ChatBody.visible(entry.failure)
        return self.tick(entry, &state)
          + self.line("\(ChatTime.text()) ✗  not sent: \"\(text)\": \(reason)", &state)
      case .failed(let id, let to, let failure):
        state.own.remove(id)
        return self.tick(.failed, id, &state)
          + self.line(
            "\(ChatTime.text()) ✗  not delivered to \(to): \(ChatBody.visible(failure))", &state)
      }
    }
    return !self.isClosed
  }

  func show(_ snapshot: Conversation.Snapshot) {
    self.write { state in
      var output = ""
      if !state.ticks.isEmpty {
        for entry in snapshot.entries where entry.isMine { output += self.tick(entry, &state) }
      }
      guard snapshot.peer.isTyping != state.isTyping else { return output }
      state.isTyping = snapshot.peer.isTyping
      let size = self.output.size
      return output
        + state.screen.status(
          state.isTyping ? "\(self.peer) is typing…" : nil, columns: size.columns, rows: size.rows)
    }
  }

  /// Shows what has become of a message of this chat, if that is not shown yet.
  private func tick(_ entry: Conversation.Entry, _ state: inout State) -> String {
    guard let shown = state.ticks[entry.id], shown != entry.state else { return "" }
    state.ticks[entry.id] = entry.state
    switch entry.state {
    case .waiting, .received: return ""
    case .accepted: return self.tick(.accepted, entry.id, &state)
    case .delivered: return self.tick(.delivered, entry.id, &state)
    case .read: return self.tick(.read, entry.id, &state)
    case .failed: return self.tick(.failed, entry.id, &state)
    }
  }

  private func tick(_ tick: ChatScreen.Tick, _ id: MessageID, _ state: inout State) -> String {
    if tick == .read || tick == .failed { state.ticks[id] = nil }
    let size = self.output.size
    return state.screen.tick(
      tick, id: id.text, column: Self.tickColumn, line: nil, columns: size.columns,
      rows: size.rows)
  }

  private func line(_ text: String, _ state: inout State) -> String {
    state.screen.line(text, columns: self.output.size.columns)
  }

  /// After `12:34:56 `.
  private static let tickColumn = 9

  /// Writes under the lock, so that the sequences of two tasks do not mix.
  private func write(_ body: (inout State) -> String) {
    self.state.withLockedValue { state in
      let text = body(&state)
      guard !text.isEmpty, !state.isClosed else { return }
      if !self.output.write(text) { state.isClosed = true }
    }
  }
}
