import ConnectProtocol
import NIOCore
import Testing

@testable import ConnectClient
@testable import ConnectCommand

@Suite struct ChatInputTests {
  @Test(arguments: [
    ("", ChatInput.nothing), ("hello", .message("hello")), ("//who", .message("/who")),
    ("/who", .who), ("/history", .history(20)), ("/history 7", .history(7)),
    ("/history  100", .history(100)), (" /who", .message(" /who")),
  ])
  func aLineIsAMessageOrACommand(typed: String, input: ChatInput) {
    #expect(ChatInput(typed) == input)
  }

  /// A slip is not sent to the peer.
  @Test(arguments: [
    "/", "/hello", "/who me", "/history 0", "/history 101", "/history x", "/history 1 2",
  ])
  func whatIsNoCommandIsAFault(typed: String) {
    guard case .fault = ChatInput(typed) else {
      Issue.record("\(ChatInput(typed))")
      return
    }
  }

  @Test func aStatusSaysWhetherOrWhenAUserWasOnline() {
    #expect(ChatQuestions.text(nil) == "unknown")
    #expect(ChatQuestions.text(.init(online: true, lastSeen: 1)) == "online")
    #expect(ChatQuestions.text(.init(online: false)) == "offline")
    let lastSeen = ChatQuestions.text(.init(online: false, lastSeen: 86_400_000_000))
    #expect(lastSeen.hasPrefix("last seen 1972-09-2"))
  }

  @Test func anEntryOfHistoryIsALineAsInTheChat() throws {
    let (alice, bob) = (UserName("alice")!, UserName("bob")!)
    let body = try MessageBody(json: #"{"text":"hi\u0007"}"#)
    func line(_ from: UserName, failure: Conversation.Failure? = nil) -> [String] {
      var entry = LogEntry(
        id: MessageID("m")!, from: from, to: from == alice ? bob : alice, body: body, at: 0,
        offset: Offset(milliseconds: 1, sequence: 0))
      entry.failure = failure
      let log = ConversationLog(user: alice, peer: bob, start: .zero)
      return ChatQuestions.lines(log.shown(entry, floor: .zero))
    }
    let message = line(bob)[0]
    #expect(message.contains("    bob: hi"))
    #expect(!message.contains("\u{7}"))
    #expect(line(alice)[0].contains("    alice: hi"))
    let failed = line(alice, failure: .init(code: "mailbox_full", message: "full"))
    #expect(failed.last == "         ✗  not delivered to bob: full (mailbox_full)")
  }
}
