import ConnectProtocol
import TestSupport
import Testing

@testable import ConnectClient
@testable import ConnectTestStand

/// Conversations of a client at a gateway that does what an accident would make it do.
@Suite("A conversation")
struct ConversationTests {
  private static let noList = #"{"type":"conversations","id":"ID","items":[]}"#

  /// A connection, welcomed and live, and the list that is asked for on the first one answered.
  private func connect(
    _ gateway: ScriptedGateway, after number: UInt64 = 0, gap: Bool = false, list: String? = noList
  ) async throws -> ScriptedConnection {
    let connection = try await gateway.welcome(after: offset(number), gap: gap)
    guard let list else { return connection }
    guard case .conversations(let request) = try await connection.nextFrame() else {
      throw TestFailure("the list is not asked for")
    }
    connection.send(list.replacing("ID", with: "\(request.id!)"))
    return connection
  }

  @Test("shows a message at once, and follows it until it is read")
  func sending() async throws {
    try await ScriptedGateway.with { gateway in
      try await Conversing.with(gateway.endpoint) { client in
        let chat = client.conversation(with: bob)
        let first = try chat.send("early")
        #expect(chat.shown == [#""early" waiting"#])
        let connection = try await gateway.welcome()
        let send = try await connection.nextSend()
        #expect(send.id == first.id && send.receipt && send.copy && !send.quiet)
        connection.accept(send, 50)
        let entry = try await first.accepted()
        #expect(entry.state == .accepted && entry.isMine)
        connection.send(
          #"{"type":"position","peer":"bob","delivered":"50-0","stamp":3}"#)
        try await chat.shows([#""early" delivered"#])
        connection.send(#"{"type":"position","peer":"bob","read":"50-0","stamp":4}"#)
        try await chat.shows([#""early" read"#])
        #expect(first.entry?.state == .read)
      }
    }
  }

  @Test("is observed by several views, each of which ends by itself")
  func observers() async throws {
    try await ScriptedGateway.with { gateway in
      try await Conversing.with(gateway.endpoint) { client in
        let chat = client.conversation(with: bob)
        let connection = try await self.connect(gateway)
        try await withThrowingTaskGroup(of: Int.self) { group in
          for view in 1...3 {
            group.addTask {
              for await snapshot in chat.updates where snapshot.entries.count >= view {
                return snapshot.entries.count
              }
              return 0
            }
          }
          for number in 1...3 { connection.message(UInt64(number)) }
          for try await count in group { #expect((1...3).contains(count)) }
        }
        for await list in client.conversations.updates where list.unread == 3 { break }
        #expect(client.conversations.items.map(\.peer.name) == [bob])
        #expect(chat.unread == 3)
        chat.markRead()
        #expect(chat.unread == 0)
        try await eventually("the server is told") {
          guard case .read(let read)? = try? await connection.nextFrame() else { return false }
          return read.peer == bob && read.offset == offset(3)
        }
      }
    }
  }

  @Test("is acked when it is stored, and not before")
  func acks() async throws {
    try await ScriptedGateway.with { gateway in
      let store = MemoryStore()
      try await Conversing.with(gateway.endpoint, store: store) { client in
        let connection = try await self.connect(gateway)
        connection.message(1)
        #expect(try await connection.nextAck() == offset(1))
        let records = try store.open(
          StoreOwner(user: alice, server: gateway.endpoint, device: .default)
        ).map { try BookRecord(bytes: $0) }
        #expect(records.contains(.handled(offset(1))))
      }
    }
  }

  @Test("is there again after a restart, offline, and asks only for what is new")
  func restart() async throws {
    let store = MemoryStore()
    let port = try await TakenPort.free()
    let endpoint = try await ScriptedGateway.with(port: port) { gateway in
      try await Conversing.with(gateway.endpoint, store: store) { client in
        let connection = try await self.connect(gateway)
        connection.message(1)
        connection.message(2)
        _ = try client.conversation(with: bob).send("never answered")
        let send = try await self.nextSend(connection)
        connection.send(#"{"type":"position","peer":"bob","mine":"1-0","stamp":7}"#)
        try await eventually("it is read") { client.conversation(with: bob).unread == 1 }
        #expect(send.retry == .no)
      }
      return gateway.endpoint
    }
    // Nobody listens there any more.
    try await Conversing.with(endpoint, store: store) { client in
      let chat = client.conversation(with: bob)
      try await chat.shows(["1 read", "1 received", #""never answered" waiting"#])
      #expect(client.conversations.items.map(\.peer.name) == [bob])
      #expect(client.conversations.unread == 1)
      try chat.send("offline")
    }
    try await ScriptedGateway.with(port: port) { gateway in
      try await Conversing.with(endpoint, store: store) { client in
        let connection = try await self.connect(gateway, after: 2, list: nil)
        #expect(connection.request.contains("since=2-0"))
        #expect(connection.request.contains("positions=7"))
        let sends = [try await connection.nextSend(), try await connection.nextSend()]
        #expect(sends.map(\.retry) == [.firstSent(1_000), .firstSent(1_000)])
        for (index, send) in sends.enumerated() { connection.accept(send, UInt64(60 + index)) }
        try await client.conversation(with: bob).shows([
          "1 read", "1 received", #""never answered" accepted"#, #""offline" accepted"#,
        ])
        #expect(connection.isQuiet, "nothing else is asked for")
      }
    }
  }

  private func nextSend(_ connection: ScriptedConnection) async throws -> ClientFrame.Send {
    while true {
      if case .send(let send) = try await connection.nextFrame() { return send }
    }
  }

  @Test("of one user is not another's, with the same store")
  func users() async throws {
    let store = MemoryStore()
    try await ScriptedGateway.with { gateway in
      try await Conversing.with(gateway.endpoint, store: store) { client in
        let connection = try await self.connect(gateway)
        connection.message(1)
        try client.conversation(with: bob).send("of alice")
        _ = try await self.nextSend(connection)
        try await client.conversation(with: bob).shows(["1 received", #""of alice" waiting"#])
      }
      let carol = UserName("carol")!
      try await Conversing.with(gateway.endpoint, as: carol, store: store) { client in
        let connection = try await gateway.accept()
        #expect(!connection.request.contains("since="))
        #expect(client.conversations.items.isEmpty)
        // The token was alice's after all.
        connection.welcome()
        connection.message(2)
        try await eventually("the client ends") { client.state == .stopped(.otherUser("alice")) }
        #expect(client.conversations.items.isEmpty)
        #expect(connection.isQuiet, "nothing is sent or acked")
      }
      // A token that names its user does not even reach the server.
      let token = "e30.eyJzdWIiOiJhbGljZSJ9.c2ln"
      try await Conversing.with(gateway.endpoint, as: carol, store: store, token: { token }) {
        client in
        try await eventually("the client ends") { client.state == .stopped(.otherUser("alice")) }
        #expect(throws: ConnectSendError.ended(.otherUser("alice"))) {
          try client.conversation(with: bob).send("late")
        }
      }
    }
  }

  @Test("goes on when the store fails: it says so, and acks what the app was given")
  func failingStore() async throws {
    let store = FailingStore()
    try await ScriptedGateway.with { gateway in
      try await Conversing.with(gateway.endpoint, store: store) { client in
        let connection = try await self.connect(gateway)
        connection.message(1)
        #expect(try await connection.nextAck() == offset(1))
        var problems = client.problems.makeAsyncIterator()
        store.fail(.full("x"))
        connection.message(2)
        #expect(await problems.next() == .store(.full("x")))
        #expect(try await connection.nextAck() == offset(2))
        #expect(client.conversation(with: bob).entries.count == 2)
        let sent = try client.conversation(with: bob).send("hi")
        connection.accept(try await self.nextSend(connection), 9)
        try await sent.accepted()
      }
    }
  }

  @Test("begins again, and says so, when what is stored cannot be read")
  func damagedStore() async throws {
    try await ScriptedGateway.with { gateway in
      let memory = MemoryStore()
      _ = memory.open(StoreOwner(user: alice, server: gateway.endpoint, device: .default))
      memory.append([Array("{}".utf8)])
      let client = ConnectClient(url: gateway.endpoint, user: alice, store: memory) { "token" }
      var problems = client.problems.makeAsyncIterator()
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await client.run() }
        guard case .store(.damaged) = await problems.next() else {
          throw TestFailure("it is not told")
        }
        let connection = try await self.connect(gateway)
        connection.message(1)
        #expect(try await connection.nextAck() == offset(1))
        client.close()
        try await group.waitForAll()
      }
      try await Conversing.with(gateway.endpoint, store: memory) { client in
        try await client.conversation(with: bob).shows(["1 received"])
      }
    }
  }

  @Test("reloads the list after a gap, and loads what is missing when it is asked to")
  func gap() async throws {
    let item = """
      {"peer":"bob","last":{"type":"message","offset":"40-0","from":"bob","id":"b40","at":40,\
      "body":40},"unread":2}
      """
    let list = #"{"type":"conversations","id":"ID","items":[\#(item)]}"#
    try await ScriptedGateway.with { gateway in
      try await Conversing.with(gateway.endpoint) { client in
        let chat = client.conversation(with: bob)
        let first = try await self.connect(gateway)
        first.message(1)
        try await chat.shows(["1 received"])
        first.drop()
        _ = try await self.connect(gateway, after: 50, gap: true, list: list)
        try await eventually("the list has come") {
          client.conversations.items.first?.last?.id == MessageID("b40")
        }
        #expect(chat.entries.isEmpty && chat.hasEarlier && chat.unread == 2)
      }
    }
  }

  @Test("knows whether the peer types or is online, while somebody looks")
  func presence() async throws {
    try await ScriptedGateway.with { gateway in
      try await Conversing.with(gateway.endpoint) { client in
        let chat = client.conversation(with: bob)
        let connection = try await self.connect(gateway)
        let view = Task { for await _ in chat.updates {} }
        guard case .presence(let watch) = try await connection.nextFrame() else {
          throw TestFailure("presence is not watched")
        }
        #expect(watch.watch && watch.users == [bob])
        #expect(chat.peer.isOnline == nil)
        connection.send(
          #"{"type":"presence","id":"\#(watch.id!)","users":{"bob":{"online":true}}}"#)
        connection.send(#"{"type":"signal","from":"bob","name":"typing","at":1}"#)
        try await eventually("bob types") { chat.peer.isTyping && chat.peer.isOnline == true }
        connection.message(1)
        try await eventually("bob has sent it") { !chat.peer.isTyping && chat.unread == 1 }
        chat.typing()
        #expect(try await self.nextSignal(connection).to == bob)
        view.cancel()
        try await eventually("presence is no longer watched") {
          guard case .presence(let watch)? = try? await connection.nextFrame() else {
            return false
          }
          return watch.users.isEmpty
        }
        connection.drop()
        try await eventually("nothing is known") { chat.peer.isOnline == nil }
      }
    }
  }

  private func nextSignal(_ connection: ScriptedConnection) async throws -> ClientFrame.Signal {
    while true {
      if case .signal(let signal) = try await connection.nextFrame() { return signal }
    }
  }

  @Test("tells that a message is accepted, though a gap takes it in the same moment")
  func acceptedBeforeGap() async throws {
    var state = KeeperState(user: alice)
    state.received(.connected(ConnectClientTests.welcome()))
    try state.send(messageID(1), to: bob, body: json("1"), isQuiet: false, now: 1)
    let outcome = await withCheckedContinuation { waiter in
      state.wait(for: messageID(1), to: bob, number: 1, waiter)
      state.received(.accepted(id: messageID(1), offset: offset(40)))
      state.received(.connected(ConnectClientTests.welcome(offset: offset(50), gap: true)))
      state.takeResumed().resume()
    }
    #expect(try outcome.get().state == .accepted)
  }

  @Test("lets a task that waits for a message be cancelled")
  func cancelledWait() async throws {
    try await ScriptedGateway.with { gateway in
      try await Conversing.with(gateway.endpoint) { client in
        let outgoing = try client.conversation(with: bob).send("a")
        let waiting = Task { try await outgoing.accepted() }
        waiting.cancel()
        await #expect(throws: ConnectSendError.cancelled) { try await waiting.value }
        #expect(outgoing.entry?.state == .waiting)
      }
    }
  }

  @Test("sends a failed message again, or forgets it")
  func retry() async throws {
    try await ScriptedGateway.with { gateway in
      try await Conversing.with(gateway.endpoint) { client in
        let chat = client.conversation(with: bob)
        let connection = try await self.connect(gateway)
        let sent = try chat.send("a")
        connection.reject(try await self.nextSend(connection), .tooLarge, retryAfter: nil)
        await #expect(throws: ConnectSendError.self) { try await sent.accepted() }
        #expect(sent.entry?.failure?.code == RejectionCode.tooLarge.rawValue)
        #expect(sent.retry())
        let again = try await self.nextSend(connection)
        #expect(again.id == sent.id && again.retry == .firstSent(1_000))
        connection.reject(again, .tooLarge, retryAfter: nil)
        try await chat.shows([#""a" failed"#])
        sent.discard()
        #expect(chat.entries.isEmpty && sent.entry == nil)
      }
    }
  }
}
