import ConnectClient
import ConnectProtocol
import NIOCore
import Testing

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
    let id = MessageID("m")!
    let offset = Offset(milliseconds: 1, sequence: 0)
    let message = ChatQuestions.line(
      .message(IncomingMessage(offset: offset, from: bob, id: id, at: 0, body: body)), user: alice)
    #expect(message.contains("    bob: hi"))
    #expect(!message.contains("\u{7}"))
    let sent = ChatQuestions.line(
      .sent(SentMessage(offset: offset, peerOffset: offset, to: bob, id: id, at: 0, body: body)),
      user: alice)
    #expect(sent.contains("    alice: hi"))
    let failed = ChatQuestions.line(
      .failed(
        ServerFrame.Failed(offset: offset, to: bob, id: id, code: "mailbox_full", message: "full")),
      user: alice)
    #expect(failed == "         ✗  not delivered to bob: full (mailbox_full)")
  }
}
