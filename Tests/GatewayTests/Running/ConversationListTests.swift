import ConnectProtocol
import ConnectTestStand
import Gateway
import MessageBus
import TestSupport
import Testing

@Suite("A client asks for its conversations")
struct ConversationListTests {
  @Test("and gets the newest message of each, its own included, with what is unread")
  func messages() async throws {
    let stand = try await TestStand.shared()
    let alice = try await stand.online("list.alice")
    let carol = try await stand.online("list.carol", gateway: 1)
    let bob = try await stand.online("list.bob")
    carol.sendMessage("c1", to: "list.bob", body: #""from carol""#)
    let fromCarol = try await bob.expectMessage().offset
    for number in 0..<2 { alice.sendMessage("a\(number)", to: "list.bob") }
    _ = try await bob.expectMessage()
    let fromAlice = try await bob.expectMessage().offset
    bob.sendMessage("b1", to: "list.dave", also: #","copy":true,"receipt":true"#)
    guard case .sent(let copy) = try await bob.expectAccepted("b1", and: "sent").frame else {
      throw TestFailure("it is not a copy")
    }
    alice.sendMessage("a2", to: "list.bob", also: #","quiet":true"#)
    _ = try await bob.expectMessage()
    bob.ask("conversations", #","id":"q1""#)
    let answer = try await bob.expectConversations()
    #expect(answer.id?.text == "q1")
    #expect(answer.items.map(\.peer.text) == ["list.dave", "list.alice", "list.carol"])
    #expect(answer.items.map(\.last?.offset) == [copy.offset, fromAlice, fromCarol])
    #expect(answer.items.map(\.unread) == [0, 2, 1])
    #expect(answer.items.allSatisfy { !$0.unreadIsMore })
    #expect(answer.next == nil)
    // As many as are asked for, and the rest with `next`.
    bob.ask("conversations", #","limit":2"#)
    let first = try await bob.expectConversations()
    #expect(first.id == nil)
    #expect(first.items.count == 2)
    let next = try #require(first.next)
    carol.sendMessage("c2", to: "list.bob")
    alice.sendMessage("a3", to: "list.bob")
    for _ in 0..<2 { _ = try await bob.expectMessage() }
    bob.ask("conversations", #","before":"\#(next)""#)
    let second = try await bob.expectConversations()
    #expect(second.items.map(\.peer.text) == ["list.carol"])
    #expect(second.items[0].last?.offset == fromCarol)
    #expect(second.items[0].unread == 1)
  }

  @Test("of which nothing is unread that was read on another device")
  func read() async throws {
    let stand = try await TestStand.shared()
    let alice = try await stand.online("listread.alice")
    let phone = try await stand.online("listread.bob", device: "phone")
    let tablet = try await stand.online("listread.bob", device: "tablet", gateway: 1)
    let offsets = try await stand.sendReceipts(3, from: alice, to: "listread.bob")
    for device in [phone, tablet] { for _ in offsets { _ = try await device.expectMessage() } }
    phone.read(offsets[1], of: "listread.alice", id: "r1")
    #expect(try await tablet.expectPosition().mine == offsets[1])
    tablet.ask("conversations")
    let items = try await tablet.expectConversations().items
    #expect(items.map(\.mine) == [offsets[1]])
    #expect(items.map(\.unread) == [1])
    #expect(items.map(\.last?.offset) == [offsets[2]])
    // The sender's positions come along, though no message is in the mailbox.
    _ = try await alice.expectPosition()
    alice.ask("conversations")
    let sent = try await alice.expectConversations().items
    #expect(sent.map(\.peer.text) == ["listread.bob"])
    #expect(sent[0].last == nil)
    #expect(sent[0].delivered == offsets[1])
    #expect(sent[0].read == offsets[1])
    #expect(sent[0].mine == nil)
  }

  @Test("of an empty mailbox, and there are none")
  func empty() async throws {
    let stand = try await TestStand.shared()
    let bob = try await stand.online("listnone.bob")
    bob.ask("conversations", #","id":"q1""#)
    bob.ask("history", #","id":"q2""#)
    let list = try await bob.expectConversations()
    #expect(list == ServerFrame.Conversations(id: MessageID("q1")!, items: []))
    let history = try await bob.expectHistory().answer
    #expect(history == ServerFrame.History(id: MessageID("q2")!, entries: []))
  }

  @Test("though one peer fills the mailbox: the others come with further requests")
  func hidden() async throws {
    let stand = try await TestStand.shared()
    let user = "listloud.bob"
    try await stand.store(
      [ListedLog.message(from: "shy"), ListedLog.message(from: user)]
        + (0..<600).map { _ in ListedLog.message(from: "loud") }, for: user)
    let bob = try await stand.connect(user)
    bob.ask("conversations")
    var first: ServerFrame.Conversations?
    while first == nil {
      if case .conversations(let answer) = try await bob.expectFrame().frame { first = answer }
    }
    #expect(first?.items.map(\.peer.text) == ["loud"])
    #expect(first?.items.map(\.unread) == [GatewayLimits.requestEntries])
    #expect(first?.items.map(\.unreadIsMore) == [true])
    let next = try #require(first?.next)
    bob.ask("conversations", #","before":"\#(next)""#)
    var second: ServerFrame.Conversations?
    while second == nil {
      if case .conversations(let answer) = try await bob.expectFrame().frame { second = answer }
    }
    #expect(second?.items.map(\.peer.text) == ["loud", user, "shy"])
    #expect(second?.items.map(\.unread) == [88, 0, 1])
    #expect(second?.next == nil)
  }

  @Test("of which the older messages are no longer kept: there may be more unread")
  func trimmed() async throws {
    let stand = try await TestStand.shared()
    let user = "listtrim.bob"
    let offsets = try await stand.store(
      (0..<10).map { ListedLog.message(from: $0 < 3 ? "old" : "new") }, for: user)
    try await stand.trim(user, to: 6)
    let key = "\(stand.keys.positions(UserName(user)!))"
    try await stand.redis("HSET", key, "old", "0-0 0-0 \(offsets[1]) 5", "!top", "5")
    let bob = try await stand.connect(user)
    bob.ask("conversations")
    var list: ServerFrame.Conversations?
    while list == nil {
      if case .conversations(let answer) = try await bob.expectFrame().frame { list = answer }
    }
    #expect(list?.items.map(\.peer.text) == ["new", "old"])
    #expect(list?.items.map(\.unread) == [6, 0])
    #expect(list?.items.map(\.unreadIsMore) == [true, false])
    #expect(list?.items.map { $0.last != nil } == [true, false])
    #expect(list?.items.map(\.mine) == [nil, offsets[1]])
  }
}
