import ConnectProtocol
import NIOConcurrencyHelpers
import TestSupport
import Testing

@testable import ConnectClient
@testable import ConnectTestStand

/// The list of conversations of a client at a gateway that does what a test tells it.
@Suite("The list of conversations")
struct ConversationListTests {
  private static func item(_ peer: String, _ number: Int) -> String {
    """
    {"peer":"\(peer)","last":{"type":"message","offset":"\(number)-0","from":"\(peer)",\
    "id":"b\(number)","at":\(number),"body":\(number)},"unread":1}
    """
  }

  /// The next request for a part of the list.
  private func request(
    _ connection: ScriptedConnection
  ) async throws -> ClientFrame.Conversations {
    while true {
      if case .conversations(let request) = try await connection.nextFrame() { return request }
    }
  }

  /// Answers the next request for a part of the list.
  @discardableResult
  private func answer(
    _ connection: ScriptedConnection, _ items: String, next: String? = nil
  ) async throws -> ClientFrame.Conversations {
    let request = try await self.request(connection)
    let next = next.map { #","next":"\#($0)""# } ?? ""
    connection.send(
      #"{"type":"conversations","id":"\#(request.id!)","items":[\#(items)]\#(next)}"#)
    return request
  }

  @Test("goes on after a restart where it ended")
  func nextPart() async throws {
    let store = MemoryStore()
    try await ScriptedGateway.with { gateway in
      try await Conversing.with(gateway.endpoint, store: store) { client in
        let connection = try await gateway.welcome(after: offset(100))
        try await self.answer(connection, Self.item("bob", 90), next: "80-0")
        try await eventually("the list is there") { client.conversations.items.count == 1 }
        #expect(client.conversations.hasMore)
        connection.message(101)
        #expect(try await connection.nextAck() == offset(101))
      }
      try await Conversing.with(gateway.endpoint, store: store) { client in
        let connection = try await gateway.welcome(after: offset(101))
        try await eventually("the store is read") { client.conversations.items.count == 1 }
        #expect(client.conversations.hasMore)
        async let more: Void = client.conversations.loadMore()
        let request = try await self.answer(connection, Self.item("carol", 70))
        #expect("\(request.before!)" == "80-0")
        try await more
        #expect(client.conversations.items.map(\.peer.name) == [bob, UserName("carol")!])
        #expect(!client.conversations.hasMore)
      }
    }
  }

  @Test("has the presence of its peers watched, also of those that come while it is observed")
  func presence() async throws {
    try await ScriptedGateway.with { gateway in
      try await Conversing.with(gateway.endpoint) { client in
        let view = Task { for await _ in client.conversations.updates {} }
        let connection = try await gateway.welcome(after: offset(100))
        try await self.answer(connection, Self.item("bob", 90))
        guard case .presence(let watch) = try await connection.nextFrame() else {
          throw TestFailure("presence is not watched")
        }
        #expect(watch.watch && watch.users == [bob])
        connection.send(
          #"{"type":"presence","id":"\#(watch.id!)","users":{"bob":{"online":true}}}"#)
        let chat = client.conversation(with: bob)
        try await eventually("bob is online") { chat.peer.isOnline == true }
        view.cancel()
        try await eventually("nobody looks, so it is not known") { chat.peer.isOnline == nil }
      }
    }
  }

  @Test("is reloaded after a gap, and no answer from before it makes a hole in a conversation")
  func earlierAcrossGap() async throws {
    try await ScriptedGateway.with { gateway in
      try await Conversing.with(gateway.endpoint) { client in
        let chat = client.conversation(with: bob)
        let first = try await gateway.welcome(after: offset(100))
        try await self.answer(first, Self.item("bob", 90))
        try await eventually("the list is there") { client.conversations.items.count == 1 }
        async let earlier: Void = chat.loadEarlier()
        guard case .history(let request) = try await first.nextFrame() else {
          throw TestFailure("history is not asked for")
        }
        #expect(request.before == offset(100).successor)
        first.drop()
        let second = try await gateway.welcome(after: offset(200), gap: true)
        // An answer that overtakes it would be dropped with all else.
        try await eventually("the gap is known") {
          client.conversationKeeper.withState { $0.book.start == offset(200) }
        }
        // Asked again on this connection, with its old place; the list is asked for, too.
        try await eventually("both are answered") {
          switch try? await second.nextFrame() {
          case .history(let request) where request.before == offset(100).successor:
            second.send(
              """
              {"type":"history","id":"\(request.id!)","entries":[{"type":"message",\
              "offset":"90-0","from":"bob","id":"b90","at":90,"body":90}],"next":"80-0"}
              """)
          case .history(let request):
            #expect(request.before == offset(200).successor)
            second.send(
              """
              {"type":"history","id":"\(request.id!)","entries":[{"type":"message",\
              "offset":"150-0","from":"bob","id":"b150","at":150,"body":150}],"next":"140-0"}
              """)
            return true
          case .conversations(let request):
            second.send(
              #"{"type":"conversations","id":"\#(request.id!)","items":[\#(Self.item("bob", 150))]}"#
            )
          default: break
          }
          return false
        }
        try await earlier
        #expect(chat.entries.map(\.id) == [MessageID("b150")!])
        #expect(chat.hasEarlier)
      }
    }
  }

  @Test("tells those who look that it is over, and of whom no more is unread than has come")
  func end() async throws {
    try await ScriptedGateway.with { gateway in
      try await Conversing.with(gateway.endpoint) { client in
        let chats = NIOLockedValueBox<[Bool]>([])
        let lists = NIOLockedValueBox<[Bool]>([])
        let chat = Task {
          for await chat in client.conversation(with: bob).updates {
            guard chat.unread == 1 else { continue }
            chats.withLockedValue { $0.append(chat.unreadIsMore) }
          }
        }
        let list = Task {
          for await list in client.conversations.updates {
            lists.withLockedValue { $0.append(list.hasMore) }
          }
        }
        defer { [chat, list].forEach { $0.cancel() } }
        let connection = try await gateway.welcome(after: offset(100))
        connection.message(101)
        try await eventually("more may be unread") { chats.withLockedValue { $0.last } == true }
        try await eventually("the list may have more") { lists.withLockedValue { $0.last } == true }
        // It was put together before the message was there.
        try await self.answer(connection, "")
        try await eventually("the conversation is told") {
          chats.withLockedValue { $0.last } == false
        }
        try await eventually("the list is told") { lists.withLockedValue { $0.last } == false }
      }
    }
  }

  @Test("is asked for again on the same connection when no answer has come in time")
  func unanswered() async throws {
    try await ScriptedGateway.with { gateway in
      try await Conversing.with(gateway.endpoint) { client in
        let connection = try await gateway.welcome(after: offset(100))
        _ = try await self.request(connection)
        try await self.answer(connection, Self.item("bob", 90))
        try await eventually("the list is there") { client.conversations.items.count == 1 }
      }
    }
  }

  @Test("is asked for again once the limit of requests has passed")
  func limited() async throws {
    try await ScriptedGateway.with { gateway in
      try await Conversing.with(gateway.endpoint) { client in
        let connection = try await gateway.welcome(after: offset(100))
        // As long as a request lasts, so that this one is given up.
        let wait = Int(ConnectClientLimits.requestMilliseconds)
        let begin = ContinuousClock.now
        connection.refuse(try await self.request(connection).id!, .rateLimited, retryAfter: wait)
        try await self.answer(connection, Self.item("bob", 90))
        #expect(ContinuousClock.now - begin >= .milliseconds(wait))
        try await eventually("the list is there") { client.conversations.items.count == 1 }
      }
    }
  }

  @Test("is asked for once there is room beside the requests of the app")
  func tooManyRequests() async throws {
    try await ScriptedGateway.with { gateway in
      try await Conversing.with(gateway.endpoint) { client in
        let requests = (0..<ConnectClientLimits.unansweredRequests).map { _ in
          Task { try await client.presence(of: [bob]) }
        }
        try await eventually("no more may wait") {
          client.shared.withLockedValue { $0.requestContinuations.count } == requests.count
        }
        let connection = try await gateway.welcome(after: offset(100))
        try await eventually("it is live") {
          client.conversationKeeper.withState { $0.isListMissing(on: 1) }
        }
        // For the list to be refused a place: nothing tells of it.
        try await Task.sleep(for: .milliseconds(ConnectClientLimits.listRetryMilliseconds / 2))
        // Only those that were asked already are still to be answered.
        for request in requests { request.cancel() }
        while !client.conversations.items.contains(where: { $0.peer.name == bob }) {
          switch try await connection.nextFrame() {
          case .presence(let request):
            connection.send(
              #"{"type":"presence","id":"\#(request.id!)","users":{"bob":{"online":true}}}"#)
          case .conversations(let request):
            connection.send(
              #"{"type":"conversations","id":"\#(request.id!)","items":[\#(Self.item("bob", 90))]}"#
            )
            try await eventually("the list is there") { client.conversations.items.count == 1 }
          default: break
          }
        }
      }
    }
  }

  @Test("is not asked for without a connection")
  func offline() async throws {
    try await ScriptedGateway.with { gateway in
      try await Conversing.with(gateway.endpoint) { client in
        let connection = try await gateway.welcome(after: offset(100))
        _ = try await self.request(connection)
        connection.drop()
        try await eventually("it is offline") { client.state != .online }
        client.conversationKeeper.withState {
          #expect($0.book.needsList)
          #expect(!$0.isListMissing(on: 1))
        }
      }
    }
  }

  @Test("tells those who look that there is nothing in it")
  func empty() async throws {
    try await ScriptedGateway.with { gateway in
      try await Conversing.with(gateway.endpoint) { client in
        let more = NIOLockedValueBox<[Bool]>([])
        let view = Task {
          for await list in client.conversations.updates {
            more.withLockedValue { $0.append(list.hasMore) }
          }
        }
        defer { view.cancel() }
        let connection = try await gateway.welcome(after: offset(100))
        try await eventually("there may be some") { more.withLockedValue { $0.last } == true }
        try await self.answer(connection, "")
        try await eventually("there is none") { more.withLockedValue { $0.last } == false }
        connection.drop()
        let next = try await gateway.welcome(after: offset(200), gap: true)
        try await eventually("a gap may hide some") { more.withLockedValue { $0.last } == true }
        try await self.answer(next, "")
        try await eventually("there is none again") { more.withLockedValue { $0.last } == false }
      }
    }
  }

  @Test("is asked for again when another device has read a part of what it counted")
  func partlyRead() async throws {
    func item(_ unread: Int, mine: Int) -> String {
      """
      {"peer":"bob","last":{"type":"message","offset":"90-0","from":"bob","id":"b90","at":90,\
      "body":90},"unread":\(unread),"mine":"\(mine)-0"}
      """
    }
    try await ScriptedGateway.with { gateway in
      try await Conversing.with(gateway.endpoint) { client in
        let chat = client.conversation(with: bob)
        let connection = try await gateway.welcome(after: offset(100))
        try await self.answer(connection, item(5, mine: 20))
        try await eventually("the list is there") { chat.unread == 5 }
        connection.send(#"{"type":"position","peer":"bob","mine":"70-0","stamp":3}"#)
        try await eventually("there may be more") { chat.unread == 0 && chat.unreadIsMore }
        let request = try await self.answer(connection, item(2, mine: 70))
        #expect(request.before == nil)
        try await eventually("the list knows") { chat.unread == 2 && !chat.unreadIsMore }
        #expect(client.conversations.items.map(\.unread) == [2])
      }
    }
  }

  @Test("ends for its observers when a client is closed that was never run")
  func neverRun() async throws {
    let client = ConnectClient(
      url: ConnectEndpoint("ws://127.0.0.1:1")!, user: alice
    ) { "token" }
    let isOver = NIOLockedValueBox(false)
    let view = Task {
      for await _ in client.conversations.updates {}
      isOver.withLockedValue { $0 = true }
    }
    client.close()
    try await eventually("it is over") { isOver.withLockedValue { $0 } }
    #expect(client.state == .stopped(.closed))
    view.cancel()
    // Whoever runs it nevertheless is told at once.
    try await client.run()
  }
}
