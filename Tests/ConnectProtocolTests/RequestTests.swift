import ConnectProtocol
import NIOCore
import Testing

@Suite("A request and its answer")
struct RequestTests {
  static let user = ServerFrameTests.user
  static let id = ServerFrameTests.id
  static let largest = ServerFrameTests.largest
  static let cursors: [ConversationCursor?] = [
    nil, .log(below: largest), .positions(below: .max), .positions(below: 0),
  ]

  @Test("conversations are asked for as written, 20 unless the request says how many")
  func conversations() throws {
    for id in [nil, Self.id] {
      for before in Self.cursors {
        let request = ClientFrame.Conversations(id: id, limit: 50, before: before)
        #expect(
          try clientFrame(written { $0.writeConversations(request) }) == .conversations(request))
      }
    }
    let plain = ClientFrame.Conversations()
    #expect(plain.limit == 20 && plain.before == nil)
    #expect(try clientFrame(#"{"type":"conversations"}"#) == .conversations(plain))
    #expect(try clientFrame(#"{"type":"conversations","limit":null}"#) == .conversations(plain))
  }

  @Test("history is asked for as written, 50 entries unless the request says how many")
  func history() throws {
    for id in [nil, Self.id] {
      for peer in [nil, Self.user] {
        for before in [nil, Self.largest] {
          let request = ClientFrame.History(id: id, peer: peer, before: before, limit: 100)
          #expect(try clientFrame(written { $0.writeHistory(request) }) == .history(request))
        }
      }
    }
    #expect(try clientFrame(#"{"type":"history"}"#) == .history(ClientFrame.History(limit: 50)))
  }

  @Test("a signal is read as it was written, with or without a body of up to 2 KiB")
  func signal() throws {
    let body = "\"\(String(repeating: "x", count: 2_046))\""
    for id in [nil, Self.id] {
      for body in ["", "null", body] {
        let text = written {
          $0.writeSignal(to: Self.user, name: Self.id, body: Array(body.utf8), id: id)
        }
        guard case .signal(let signal) = try clientFrame(text) else {
          Issue.record("not a signal")
          return
        }
        #expect(signal.to == Self.user && signal.name == Self.id && signal.id == id)
        #expect(signal.body.map { slice(text, $0) } ?? "" == body)
      }
    }
  }

  @Test("presence is asked for as written, each user once, and at most 100")
  func presence() throws {
    let users = (0..<100).map { UserName("user\($0)")! }
    for users in [[], [Self.user], users] {
      for watch in [true, false] {
        let request = ClientFrame.Presence(id: Self.id, users: users, watch: watch)
        #expect(try clientFrame(written { $0.writePresence(request) }) == .presence(request))
      }
    }
    let twice = try clientFrame(#"{"type":"presence","users":["a","b","a"]}"#)
    #expect(
      twice == .presence(ClientFrame.Presence(users: [UserName("a")!, UserName("b")!])))
  }

  @Test("conversations are answered as written, with the frame of the last message within")
  func conversationsAnswer() throws {
    var items = ByteBuffer()
    let last = Self.message(body: "[1]")
    let whole = ServerFrame.Conversation(
      peer: Self.user, unread: .max, unreadIsMore: true, delivered: Self.largest,
      read: Self.largest, mine: Self.largest)
    items.writeConversation(whole, last: last)
    items.writeString(",")
    items.writeConversation(ServerFrame.Conversation(peer: Self.user, unread: 0), last: nil)
    for id in [nil, Self.id] {
      for next in Self.cursors {
        let text = written { $0.writeConversations(id: id, items: items, next: next) }
        guard case .conversations(let answer) = try serverFrame(text) else {
          Issue.record("not conversations")
          return
        }
        #expect(answer.id == id && answer.next == next && answer.items.count == 2)
        guard case .message(let message) = answer.items[0].last else {
          Issue.record("not a message")
          return
        }
        #expect(slice(text, message.body) == "[1]" && message.from == Self.user)
        var first = answer.items[0]
        first.last = nil
        #expect(first == whole)
        #expect(answer.items[1] == ServerFrame.Conversation(peer: Self.user, unread: 0))
      }
    }
  }

  @Test("history is answered as written, with the frames of the mailbox within")
  func historyAnswer() throws {
    let empty = written {
      $0.writeHistory(id: nil, entries: ByteBuffer(), next: nil, trimmed: false)
    }
    #expect(empty == #"{"type":"history","entries":[]}"#)
    #expect(try serverFrame(empty) == .history(ServerFrame.History(id: nil, entries: [])))
    var entries = Self.message(body: "{}")
    entries.writeString(#",{"type":"later","offset":"1-1"},"#)
    withBytes(Self.user.text) { user in
      withBytes(Self.id.text) { id in
        withBytes("7") { body in
          _ = entries.writeSent(
            offset: Self.largest, peerOffset: .zero, to: user, id: id, at: 1, body: body)
          entries.writeString(",")
          _ = entries.writeFailed(offset: Self.largest, to: user, id: id, code: .mailboxFull)
        }
      }
    }
    let text = written {
      $0.writeHistory(id: Self.id, entries: entries, next: Self.largest, trimmed: true)
    }
    guard case .history(let answer) = try serverFrame(text) else {
      Issue.record("not history")
      return
    }
    #expect(answer.id == Self.id && answer.next == Self.largest && answer.trimmed)
    // What a newer server says is passed over.
    guard answer.entries.count == 3, case .message(let message) = answer.entries[0],
      case .sent(let sent) = answer.entries[1], case .failed(let failed) = answer.entries[2]
    else {
      Issue.record("\(answer)")
      return
    }
    #expect(slice(text, message.body) == "{}" && slice(text, sent.body) == "7")
    #expect(failed.code == "mailbox_full" && answer.entries[1].offset == Self.largest)
  }

  @Test("a body that nests as deep as a frame may can be read wherever it is told")
  func deepBodies() throws {
    let body = String(repeating: "[", count: 507) + String(repeating: "]", count: 507)
    let last = Self.message(body: body)
    var items = ByteBuffer()
    items.writeConversation(ServerFrame.Conversation(peer: Self.user), last: last)
    let list = written { $0.writeConversations(id: nil, items: items, next: nil) }
    guard case .conversations(let answer) = try serverFrame(list),
      case .message(let message) = answer.items.first?.last
    else {
      Issue.record("not read")
      return
    }
    #expect(slice(list, message.body) == body)
    #expect(bodyError(list) != nil, "it is deeper than a client may send")
  }

  @Test("a signal is told as written")
  func signalAnswer() throws {
    for body in ["", "{}"] {
      let text = withBytes(Self.user.text) { user in
        withBytes(Self.id.text) { name in
          withBytes(body) { body in
            written { $0.writeSignal(from: user, name: name, at: .max, body: body) }
          }
        }
      }
      guard case .signal(let signal) = try serverFrame(text) else {
        Issue.record("not a signal")
        return
      }
      #expect(signal.from == Self.user && signal.name == Self.id && signal.at == .max)
      #expect(signal.body.map { slice(text, $0) } ?? "" == body)
    }
  }

  @Test("presence is told as written")
  func presenceAnswer() throws {
    let users: [UserName: ServerFrame.Presence.Status] = [
      Self.user: .init(online: true), UserName("b")!: .init(online: false, lastSeen: .max),
      UserName("c")!: .init(online: false),
    ]
    for id in [nil, Self.id] {
      for users in [[:], users] {
        let presence = ServerFrame.Presence(id: id, users: users)
        #expect(try serverFrame(written { $0.writePresence(presence) }) == .presence(presence))
      }
    }
  }

  static func message(body: String) -> ByteBuffer {
    var buffer = ByteBuffer()
    withBytes(self.user.text) { user in
      withBytes(self.id.text) { id in
        withBytes(body) { body in
          _ = buffer.writeMessage(offset: self.largest, from: user, id: id, at: 1, body: body)
        }
      }
    }
    return buffer
  }
}
