import ConnectClient
import ConnectProtocol
import NIOConcurrencyHelpers

/// A chat in a pipe: texts on standard output, everything else on standard error.
final class PipeView: ChatView {
  private let peer: UserName
  private let output: OutputStream
  private let isTerminal: Bool
  private let closed = NIOLockedValueBox(false)

  /// - Parameter output: for the texts. A terminal gets them in the form that it does not obey.
  init(peer: UserName, output: OutputStream = .output) {
    self.peer = peer
    self.output = output
    self.isTerminal = output.isAnyTerminal
  }

  func start() {}
  func end() {}
  func sending(_ text: String, typed: String, _ outgoing: Outgoing) {}
  func typedNothing(_ typed: String) {}
  func show(_ lines: [String]) { for line in lines { self.note(line) } }
  func show(_ snapshot: Conversation.Snapshot) {}

  var isClosed: Bool { self.closed.withLockedValue { $0 } }

  func show(_ arrival: ConnectArrival) -> Bool {
    switch arrival {
    case .message(let entry):
      let text = ChatBody.decode(entry.body)
      if entry.from == self.peer {
        let line = ChatBody.line(text, isForTerminal: self.isTerminal)
        guard self.output.write(line + "\n") else {
          self.closed.withLockedValue { $0 = true }
          return false
        }
      } else if !entry.isMine {
        self.note("a message from \(entry.from): \(ChatBody.visible(text))")
      }
    case .rejected(let entry):
      self.note("not sent: \(ChatBody.visible(entry.failure))")
    case .failed(_, let to, let failure):
      self.note("not delivered to \(to): \(ChatBody.visible(failure))")
    }
    return true
  }

  func note(_ text: String) { OutputStream.error.write("connect: \(text)\n") }
}
