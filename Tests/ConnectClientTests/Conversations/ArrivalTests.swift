import ConnectProtocol
import NIOConcurrencyHelpers
import TestSupport
import Testing

@testable import ConnectClient
@testable import ConnectTestStand

/// What a program gets that does something with each message.
@Suite("Arrivals")
struct ArrivalTests {
  private func client(
    _ gateway: ScriptedGateway, store: any ConnectStore = MemoryStore()
  ) -> ConnectClient {
    ConnectClient(url: gateway.endpoint, user: alice, store: store) { "token" }
  }

  /// Runs a client for the length of a test.
  private func run(
    _ client: ConnectClient, _ body: () async throws -> Void
  ) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await client.run() }
      try await body()
      client.close()
      try await group.waitForAll()
    }
  }

  private func number(_ arrival: ConnectArrival?) -> String? {
    guard case .message(let entry)? = arrival else { return nil }
    return "\(entry.id)"
  }

  private func nextAck(_ connection: ScriptedConnection) async throws -> Offset {
    while true {
      if case .ack(let offset) = try await connection.nextFrame() { return offset }
    }
  }

  @Test("are acked when the next is asked for, and the last when the program says so")
  func acks() async throws {
    try await ScriptedGateway.with { gateway in
      let client = self.client(gateway)
      var arrivals = client.arrivals.makeAsyncIterator()
      try await self.run(client) {
        let connection = try await gateway.welcome()
        for number in 1...3 { connection.message(UInt64(number)) }
        #expect(self.number(await arrivals.next()) == "b1")
        try await eventually("the conversation has all") {
          client.conversation(with: bob).entries.count == 3
        }
        #expect(self.number(await arrivals.next()) == "b2")
        #expect(try await self.nextAck(connection) == offset(1))
        await client.acknowledgeArrival()
        #expect(try await self.nextAck(connection) == offset(2))
        client.close()
        // The third comes again: it could not be acked any more.
        #expect(await arrivals.next() == nil)
        #expect(try await connection.nextClose() == CloseCode.normal.rawValue)
      }
    }
  }

  @Test("come again after a restart where they were not handled, though the store has them")
  func restart() async throws {
    let store = MemoryStore()
    try await ScriptedGateway.with { gateway in
      let first = self.client(gateway, store: store)
      var arrivals = first.arrivals.makeAsyncIterator()
      try await self.run(first) {
        let connection = try await gateway.welcome()
        connection.message(1)
        connection.message(2)
        _ = await arrivals.next()
        #expect(self.number(await arrivals.next()) == "b2")
        #expect(try await self.nextAck(connection) == offset(1))
      }
      let second = self.client(gateway, store: store)
      arrivals = second.arrivals.makeAsyncIterator()
      try await self.run(second) {
        let connection = try await gateway.accept()
        #expect(connection.request.contains("since=1-0"))
        #expect(second.conversation(with: bob).entries.count == 2)
        connection.welcome(after: offset(1))
        connection.message(2)
        #expect(self.number(await arrivals.next()) == "b2")
        #expect(second.conversation(with: bob).entries.count == 2)
      }
    }
  }

  @Test("come again after a restart, too, where a gap came while they waited")
  func gap() async throws {
    let store = MemoryStore()
    try await ScriptedGateway.with { gateway in
      let first = self.client(gateway, store: store)
      var arrivals = first.arrivals.makeAsyncIterator()
      try await self.run(first) {
        let connection = try await gateway.welcome()
        for number in 1...4 { connection.message(UInt64(number)) }
        #expect(self.number(await arrivals.next()) == "b1")
        try await eventually("all wait") { first.conversation(with: bob).entries.count == 4 }
        first.breakConnection()
        _ = try await gateway.welcome(after: offset(2), gap: true)
        try await eventually("the gap is known") { first.conversation(with: bob).entries.isEmpty }
        // What the gap has taken from the mailbox is told all the same, and moves nothing back.
        #expect(self.number(await arrivals.next()) == "b2")
        #expect(self.number(await arrivals.next()) == "b3")
      }
      let second = self.client(gateway, store: store)
      arrivals = second.arrivals.makeAsyncIterator()
      try await self.run(second) {
        let connection = try await gateway.accept()
        #expect(connection.request.contains("since=2-0"))
        connection.welcome(after: offset(2))
        for number in 3...5 { connection.message(UInt64(number)) }
        for number in 3...5 { #expect(self.number(await arrivals.next()) == "b\(number)") }
        #expect(second.conversation(with: bob).entries.count == 3)
      }
    }
  }

  @Test("tell what is not sent, and what is not delivered, of other devices, too")
  func failures() async throws {
    try await ScriptedGateway.with { gateway in
      let client = self.client(gateway)
      var arrivals = client.arrivals.makeAsyncIterator()
      try await self.run(client) {
        let connection = try await gateway.welcome()
        let outgoing = try client.conversation(with: bob).send("a")
        while true {
          guard case .send(let send) = try await connection.nextFrame() else { continue }
          connection.reject(send, .tooLarge, retryAfter: nil)
          break
        }
        guard case .rejected(let entry)? = await arrivals.next() else {
          throw TestFailure("it is not told")
        }
        #expect(entry.id == outgoing.id && entry.state == .failed)
        connection.send(
          """
          {"type":"failed","offset":"7-0","to":"bob","id":"m7","code":"mailbox_full","message":"x"}
          """)
        #expect(
          await arrivals.next()
            == .failed(messageID(7), to: bob, .init(code: "mailbox_full", message: "x")))
      }
    }
  }

  @Test("that nobody takes keep the client from taking more, and not from ending")
  func slowConsumer() async throws {
    try await ScriptedGateway.with { gateway in
      let client = self.client(gateway)
      var arrivals = client.arrivals.makeAsyncIterator()
      let count = 1_000
      try await self.run(client) {
        let connection = try await gateway.welcome(unacked: count)
        for number in 1...count { connection.message(UInt64(number)) }
        let chat = client.conversation(with: bob)
        try await eventually("some have come") {
          chat.entries.count > ConnectClientLimits.waitingArrivals
        }
        for number in 1...300 { #expect(self.number(await arrivals.next()) == "b\(number)") }
        let most =
          300 + ConnectClientLimits.waitingArrivals + 2 * ConnectClientLimits.eventsAtOnce
        #expect(chat.entries.count <= most)
      }
    }
  }

  @Test("end for a consumer whose task is cancelled")
  func cancelled() async throws {
    try await ScriptedGateway.with { gateway in
      let client = self.client(gateway)
      let arrivals = client.arrivals
      try await self.run(client) {
        let consumer = Task { for await _ in arrivals {} }
        consumer.cancel()
        await consumer.value
      }
    }
  }

  @Test("A client that keeps conversations waits for the answers to what it has not sent yet, too")
  func answered() async throws {
    try await ScriptedGateway.with { gateway in
      let client = self.client(gateway)
      await client.answered()
      try client.conversation(with: bob).send("early")
      let isAnswered = NIOLockedValueBox(false)
      let waiting = Task {
        await client.answered()
        isAnswered.withLockedValue { $0 = true }
      }
      try await self.run(client) {
        let connection = try await gateway.welcome()
        let send = try await connection.nextSend()
        #expect(!isAnswered.withLockedValue { $0 })
        connection.accept(send, 9)
        await waiting.value
        #expect(client.conversation(with: bob).shown == [#""early" accepted"#])
      }
    }
  }
}
