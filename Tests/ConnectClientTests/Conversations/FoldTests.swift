import ConnectProtocol
import Foundation
import Testing

@testable import ConnectClient

/// The Swift code of Conventions.md, by the cases of `Tests/JavaScriptTests/conventions.test.mjs`.
@Suite("Messages about messages")
struct FoldTests {
  private static let page = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent()
    .appendingPathComponent("../../../Sources/ConnectCommand/Documentation.docc/Conventions.md")

  private func entry(
    _ from: String, _ id: String, _ json: String, state: Conversation.State = .accepted
  ) throws -> Conversation.Entry {
    let (alice, bob) = (UserName("alice")!, UserName("bob")!)
    let isMine = from == alice.text
    return Conversation.Entry(
      id: MessageID(id)!, from: isMine ? alice : bob, to: isMine ? bob : alice, isMine: isMine,
      body: try MessageBody(json: json), at: 0, offset: nil, isQuiet: !json.contains(#""text""#),
      state: state, failure: nil)
  }

  /// What somebody says about the message `m-1` of alice's.
  private func about(
    _ from: String, _ id: String, _ what: String, state: Conversation.State = .accepted
  ) throws -> Conversation.Entry {
    try self.entry(
      from, id, #"{\#(what),"about":{"from":"alice","id":"m-1"}}"#, state: state)
  }

  private func first() throws -> Conversation.Entry {
    try self.entry("alice", "m-1", #"{"text":"Helo","attachments":[{"file":"f-1"}]}"#)
  }

  @Test("are shown by the code of the page")
  func page() throws {
    let page = try String(contentsOf: Self.page.standardizedFileURL, encoding: .utf8)
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Fold.swift")
    #expect(page.contains(try String(contentsOf: file, encoding: .utf8)))
  }

  @Test("change it if its author says so, and the last edit counts")
  func edits() throws {
    let rows = fold([
      try self.first(),
      try self.about("alice", "m-2", #""edit":"Hello""#),
      try self.about("alice", "m-3", #""edit":"Hello!""#),
      try self.about("bob", "m-4", #""edit":"I owe you""#),
      try self.about("bob", "m-5", #""delete":true"#),
    ])
    #expect(rows.map(\.text) == ["Hello!"])
    #expect(rows[0].isEdited && !rows[0].isDeleted)
  }

  @Test("of one sender do not touch a message of the other with the same id")
  func ids() throws {
    let rows = fold([
      try self.entry("bob", "m-1", #"{"text":"Hi"}"#), try self.first(),
      try self.about("alice", "m-2", #""edit":"Hello""#),
    ])
    #expect(rows.map(\.text) == ["Hi", "Hello"])
  }

  @Test("do not undo a deletion")
  func deletions() throws {
    let row = fold([
      try self.first(),
      try self.about("bob", "m-1", #""reaction":"👍""#),
      try self.about("alice", "m-2", #""delete":true"#),
      try self.about("alice", "m-3", #""edit":"Hello""#),
    ])[0]
    #expect(row.isDeleted && !row.isEdited && row.text == "")
    #expect(row.attachments == [] && row.reactions == [:])
  }

  @Test("are one reaction for each user: the last, and none if that is empty")
  func reactions() throws {
    let entries = [
      try self.first(),
      try self.about("alice", "m-2", #""reaction":"👍""#),
      try self.about("bob", "m-2", #""reaction":"👍""#),
      try self.about("bob", "m-3", #""reaction":"🎉""#),
    ]
    #expect(fold(entries)[0].reactions == ["alice": "👍", "bob": "🎉"])
    let back = try self.about("alice", "m-4", #""reaction":"""#)
    #expect(fold(entries + [back])[0].reactions == ["bob": "🎉"])
  }

  @Test("may come first, and change nothing if they have failed")
  func order() throws {
    let edit = try self.about("alice", "m-2", #""edit":"Hello""#)
    #expect(fold([edit]).isEmpty)
    #expect(fold([edit, try self.first()]).map(\.text) == ["Hello"])
    let failed = try self.about("alice", "m-2", #""edit":"Hello""#, state: .failed)
    #expect(fold([try self.first(), failed]).map(\.text) == ["Helo"])
  }

  @Test("are quoted by a reply as they read now, and else as its sender claims")
  func replies() throws {
    let reply = try self.entry(
      "bob", "m-9",
      #"{"text":"Hi!","reply":{"from":"alice","id":"m-1","excerpt":"I owe you"}}"#)
    let edit = try self.about("alice", "m-2", #""edit":"Hello""#)
    let deletion = try self.about("alice", "m-3", #""delete":true"#)
    #expect(fold([try self.first(), reply]).last?.quote == Row.Quote(text: "Helo"))
    #expect(fold([try self.first(), edit, reply]).last?.quote == Row.Quote(text: "Hello"))
    #expect(fold([reply]).last?.quote == Row.Quote(text: "I owe you", isClaim: true))
    #expect(fold([edit, reply]).last?.quote == Row.Quote(text: "Hello"))
    #expect(fold([deletion, reply]).last?.quote == Row.Quote(text: "", isDeleted: true))
  }

  @Test(
    "break nothing if they are not as agreed",
    arguments: [
      "null", "7", #""text""#, "[]", #"{"text":7}"#, #"{"text":"","about":{"from":"bob"}}"#,
    ])
  func oddities(json: String) throws {
    var odd = try self.entry("bob", "m-1", json)
    odd = Conversation.Entry(
      id: odd.id, from: odd.from, to: odd.to, isMine: false, body: odd.body, at: 0, offset: nil,
      isQuiet: false, state: .received, failure: nil)
    #expect(fold([odd]).map(\.text) == [""])
    #expect(fold([try self.entry("bob", "m-2", #"{"vote":1}"#)]).isEmpty)
  }
}
