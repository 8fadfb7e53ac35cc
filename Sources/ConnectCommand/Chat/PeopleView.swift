import ConnectClient
import ConnectProtocol
import NIOConcurrencyHelpers

/// A chat for people: lines with times and ticks, above the line that is being typed.
final class PeopleView: ChatView {
  private struct State {
    var screen: ChatScreen
    /// Texts of unanswered messages, to name them by if they are not sent.
    var texts: [MessageID: String] = [:]
    /// Places, in the peer's mailbox, of messages that are not read yet.
    var unread: [MessageID: Offset] = [:]
    var isClosed = false
  }

  private let user: UserName
  private let peer: UserName
  private let endpoint: ConnectEndpoint
  private let output = OutputStream.output
  private let state: NIOLockedValueBox<State>

  init(user: UserName, peer: UserName, endpoint: ConnectEndpoint) {
    self.user = user
    self.peer = peer
    self.endpoint = endpoint
    self.state = NIOLockedValueBox(
      State(screen: ChatScreen(isTerminal: OutputStream.output.isTerminal)))
  }

  var problem: String? {
    self.state.withLockedValue { state in
      state.isClosed || state.texts.isEmpty
        ? nil : "messages without an answer, perhaps not sent: \(state.texts.count)"
    }
  }

  var isClosed: Bool { self.state.withLockedValue { $0.isClosed } }

  func start() { self.write { $0.screen.start() } }
  func end() { self.write { $0.screen.end() } }

  func typedNothing(_ typed: String) {
    self.write { $0.screen.empty(typed: typed, columns: self.output.size.columns) }
  }

  func show(_ lines: [String]) { for line in lines { self.line(line) } }

  func sending(_ text: String, typed: String, id: MessageID) {
    let shown = ChatBody.visible(text)
    let line = "\(ChatTime.text()) \(ChatScreen.Tick.waiting.rawValue) \(self.user): \(shown)"
    self.write { state in
      state.texts[id] = shown
      return state.screen.own(line, typed: typed, id: id.text, columns: self.output.size.columns)
    }
  }

  func show(_ event: ConnectEvent) -> Bool {
    switch event {
    case .message(let message):
      let text = ChatBody.visible(ChatBody.decode(message.body))
      let time = ChatTime.text(milliseconds: message.at)
      self.line("\(time)    \(message.from): \(text)")
    case .sent(let sent):
      self.show(sent)
    case .accepted(let id, let offset):
      self.write { state in
        state.texts[id] = nil
        state.unread[id] = offset
        return self.tick(.accepted, id, nil, &state)
      }
    case .typing(let peer, let isTyping):
      guard peer == self.peer else { break }
      let size = self.output.size
      self.write {
        $0.screen.status(
          isTyping ? "\(peer) is typing…" : nil, columns: size.columns, rows: size.rows)
      }
    case .position(let position):
      guard position.peer == self.peer else { break }
      self.write { self.tick(position, &$0) }
    case .rejected(let rejected, let isFinal):
      guard isFinal else { break }
      let reason = ChatBody.visible("\(rejected.message) (\(rejected.code))")
      self.write { state in
        let text = state.texts.removeValue(forKey: rejected.id) ?? ""
        return self.tick(.failed, rejected.id, nil, &state)
          + self.line("\(ChatTime.text()) ✗  not sent: \"\(text)\": \(reason)", &state)
      }
    case .failed(let failed):
      let reason = ChatBody.visible("\(failed.message) (\(failed.code))")
      self.write { state in
        state.texts[failed.id] = nil
        state.unread[failed.id] = nil
        return self.tick(.failed, failed.id, nil, &state)
          + self.line("\(ChatTime.text()) ✗  not delivered to \(failed.to): \(reason)", &state)
      }
    default:
      if let line = ConnectionLine.text(event, endpoint: self.endpoint) {
        self.line("\(ChatTime.text()) -- \(line)")
      }
    }
    return !self.isClosed
  }

  /// A message of the user's: from another device, or back from the server.
  private func show(_ sent: SentMessage) {
    self.write { state in
      if state.unread[sent.id] != nil {
        state.unread[sent.id] = sent.peerOffset
        return ""
      }
      let text = ChatBody.visible(ChatBody.decode(sent.body))
      let to = sent.to == self.peer ? "" : " to \(sent.to)"
      return self.line(
        "\(ChatTime.text(milliseconds: sent.at))    \(self.user)\(to): \(text)", &state)
    }
  }

  private func tick(_ position: ServerFrame.Position, _ state: inout State) -> String {
    var output = ""
    for (id, offset) in state.unread.sorted(by: { $0.value < $1.value }) {
      if offset <= position.read ?? .zero {
        state.unread[id] = nil
        output += self.tick(.read, id, nil, &state)
      } else if offset <= position.delivered ?? .zero {
        output += self.tick(.delivered, id, nil, &state)
      }
    }
    return output
  }

  private func line(_ text: String) { self.write { self.line(text, &$0) } }

  private func line(_ text: String, _ state: inout State) -> String {
    state.screen.line(text, columns: self.output.size.columns)
  }

  private func tick(
    _ tick: ChatScreen.Tick, _ id: MessageID, _ line: String?, _ state: inout State
  ) -> String {
    let size = self.output.size
    return state.screen.tick(
      tick, id: id.text, column: Self.tickColumn, line: line, columns: size.columns,
      rows: size.rows)
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
