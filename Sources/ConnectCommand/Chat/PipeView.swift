import ConnectClient
import ConnectProtocol
import NIOConcurrencyHelpers

/// A chat in a pipe: texts on standard output, everything else on standard error.
final class PipeView: ChatView {
  private struct State {
    var unanswered: Set<MessageID> = []
    var refused = 0
    var failed = 0
    var isClosed = false
  }

  private let peer: UserName
  private let endpoint: ConnectEndpoint
  private let output: OutputStream
  private let isTerminal: Bool
  private let state = NIOLockedValueBox(State())

  /// - Parameter output: for the texts. A terminal gets them in the form that it does not obey.
  init(peer: UserName, endpoint: ConnectEndpoint, output: OutputStream = .output) {
    self.peer = peer
    self.endpoint = endpoint
    self.output = output
    self.isTerminal = output.isAnyTerminal
  }

  func start() {}
  func end() {}
  func typedNothing(_ typed: String) {}
  func show(_ lines: [String]) { for line in lines { self.note(line) } }

  func sending(_ text: String, typed: String, id: MessageID) {
    self.state.withLockedValue { _ = $0.unanswered.insert(id) }
  }

  var isClosed: Bool { self.state.withLockedValue { $0.isClosed } }

  var problem: String? {
    self.state.withLockedValue { state in
      if state.isClosed { return nil }
      if state.refused > 0 { return "messages that were refused: \(state.refused)" }
      if state.failed > 0 { return "messages that were not delivered: \(state.failed)" }
      let unanswered = state.unanswered.count
      return unanswered > 0 ? "messages without an answer, perhaps not sent: \(unanswered)" : nil
    }
  }

  func show(_ event: ConnectEvent) -> Bool {
    switch event {
    case .message(let message):
      let text = ChatBody.decode(message.body)
      guard message.from == self.peer else {
        self.note("a message from \(message.from): \(ChatBody.visible(text))")
        return true
      }
      let line = ChatBody.line(text, isForTerminal: self.isTerminal)
      guard self.output.write(line + "\n") else {
        self.state.withLockedValue { $0.isClosed = true }
        return false
      }
    case .accepted(let id, _):
      self.state.withLockedValue { _ = $0.unanswered.remove(id) }
    case .rejected(let rejected, let isFinal):
      guard isFinal else { break }
      self.state.withLockedValue { state in
        state.unanswered.remove(rejected.id)
        state.refused += 1
      }
      self.note("not sent: \(ChatBody.visible("\(rejected.message) (\(rejected.code))"))")
    case .failed(let failed):
      self.state.withLockedValue { $0.failed += 1 }
      let reason = ChatBody.visible("\(failed.message) (\(failed.code))")
      self.note("not delivered to \(failed.to): \(reason)")
    default:
      if let line = ConnectionLine.text(event, endpoint: self.endpoint) { self.note(line) }
    }
    return !self.isClosed
  }

  private func note(_ text: String) { OutputStream.error.write("connect: \(text)\n") }
}

/// Lines about the connection, shared by both views.
enum ConnectionLine {
  /// Nil for events that are not about the connection, or not worth a line.
  static func text(_ event: ConnectEvent, endpoint: ConnectEndpoint) -> String? {
    switch event {
    case .connecting(let failures):
      return failures == 0 ? "connecting to \(endpoint)" : nil
    case .connected(let welcome):
      let gap = welcome.gap ? "; older messages were removed before this device had them" : ""
      return "online as \(welcome.user) via gateway \(welcome.gateway)\(gap)"
    case .disconnected(let end, let retryIn?):
      let seconds =
        Double(retryIn.components.seconds)
        + Double(retryIn.components.attoseconds) / 1e18
      let tenths = Int((seconds * 10).rounded())
      return "\(ChatBody.visible("\(end)")); reconnecting in \(tenths / 10).\(tenths % 10) s"
    case .error(let code, let message):
      return "the server did not understand: \(ChatBody.visible("\(message) (\(code))"))"
    case .disconnected(_, nil), .live, .message, .sent, .position, .accepted, .rejected, .failed,
      .typing, .signal, .presence:
      return nil
    }
  }
}
