import ConnectProtocol
import Logging
import NIOCore
import Redis
import Testing

@testable import MessageBus

@Suite("A group's consumer", .timeLimit(.minutes(5)))
struct GroupConsumerTests {
  private let group = "messaging"

  private func consumer(
    _ bus: isolated Bus, of stream: RedisKey, name: String = "one"
  ) async throws -> GroupConsumer {
    GroupConsumer(
      stream: stream, group: self.group, name: name, reader: try await bus.makeClient(),
      client: bus.client)
  }

  private func stream(_ bus: isolated Bus) -> RedisKey {
    bus.keys.incoming(bus.keys.partitions.all[0])
  }

  /// How many entries the group has pending.
  private func pending(_ bus: isolated Bus, _ stream: RedisKey) async throws -> Int {
    var cursor = try await bus.command("XPENDING", "\(stream)", self.group)
    _ = try cursor.array()
    return try cursor.integer()
  }

  @Test("reads what was there before its group, from the first entry on")
  func createdFromZero() async throws {
    try await Bus.run { bus in
      let stream = self.stream(bus)
      for number in 0..<5 { try await bus.add("\(number)", to: stream) }
      let consumer = try await self.consumer(bus, of: stream)
      #expect(try await consumer.createGroup())
      #expect(try await !consumer.createGroup())
      #expect(try await consumer.read(maximum: 3).map(\.text) == ["0", "1", "2"])
      #expect(try await consumer.read(maximum: 3).map(\.text) == ["3", "4"])
      #expect(try await consumer.read(blockMilliseconds: 1).isEmpty)
    }
  }

  @Test("waits for entries, and has them as soon as they come")
  func blocks() async throws {
    try await Bus.run { bus in
      let stream = self.stream(bus)
      let consumer = try await self.consumer(bus, of: stream)
      _ = try await consumer.createGroup()
      let writer = Task { try await bus.add("late", to: stream) }
      #expect(try await consumer.read(blockMilliseconds: 20_000).map(\.text) == ["late"])
      _ = try await writer.value
    }
  }

  @Test("says that the stream or its group is missing, whether it waits or not")
  func missing() async throws {
    try await Bus.run { bus in
      let stream = self.stream(bus)
      let consumer = try await self.consumer(bus, of: stream)
      for isWaiting in [false, true] {
        if isWaiting { _ = try await consumer.createGroup() }
        let remover = Task {
          guard isWaiting else { return }
          let isBlocked = try await eventually {
            var cursor = try await bus.command("CLIENT", "LIST")
            return try cursor.string()?.contains("cmd=xreadgroup") == true
          }
          #expect(isBlocked)
          _ = try await bus.command("DEL", "\(stream)")
        }
        do throws(RedisError) {
          _ = try await consumer.read(blockMilliseconds: 20_000)
          Issue.record("nothing was missing")
        } catch {
          #expect(error.isMissingGroup, "\(error)")
        }
        try await remover.value
      }
    }
  }

  @Test("claims what another left pending, in order, through as many pages as it takes")
  func claims() async throws {
    try await Bus.run { bus in
      let stream = self.stream(bus)
      var written: [Offset] = []
      for number in 0..<300 { written.append(try await bus.add("\(number)", to: stream)) }
      let dead = try await self.consumer(bus, of: stream, name: "dead")
      _ = try await dead.createGroup()
      while try await !dead.read(blockMilliseconds: 1).isEmpty {}

      let heir = try await self.consumer(bus, of: stream, name: "heir")
      var claimed: [StreamEntry] = []
      var pages = 0
      var next: String? = GroupConsumer.claimStart
      while let start = next {
        let page = try await heir.claim(from: start, maximum: 40)
        claimed += page.entries
        next = page.next
        pages += 1
      }
      #expect(claimed.map(\.offset) == written)
      #expect(claimed.map(\.text) == (0..<300).map { "\($0)" })
      #expect(pages >= 8)
      #expect(try await self.pending(bus, stream) == 300)
    }
  }

  @Test("passes over what was deleted while it was pending, to the end")
  func claimsDeleted() async throws {
    try await Bus.run { bus in
      let stream = self.stream(bus)
      var written: [Offset] = []
      for number in 0..<30 { written.append(try await bus.add("\(number)", to: stream)) }
      let dead = try await self.consumer(bus, of: stream, name: "dead")
      _ = try await dead.createGroup()
      _ = try await dead.read()
      for index in 0..<25 { _ = try await bus.command("XDEL", "\(stream)", "\(written[index])") }

      let heir = try await self.consumer(bus, of: stream, name: "heir")
      var claimed: [StreamEntry] = []
      var next: String? = GroupConsumer.claimStart
      while let start = next {
        let page = try await heir.claim(from: start, maximum: 3)
        claimed += page.entries.filter { !$0.isDeleted }
        next = page.next
      }
      #expect(claimed.map(\.offset) == Array(written[25...]))
    }
  }

  @Test("acknowledges and removes what is finished, and nothing that is not")
  func finishes() async throws {
    try await Bus.run { bus in
      let stream = self.stream(bus)
      for number in 0..<10 { try await bus.add("\(number)", to: stream) }
      let consumer = try await self.consumer(bus, of: stream)
      _ = try await consumer.createGroup()
      let first = try await consumer.read(maximum: 6)
      consumer.finish(Array(first.prefix(4)))
      #expect(try await self.pending(bus, stream) == 6)
      try await consumer.acknowledgeFinished()
      #expect(try await self.pending(bus, stream) == 2)
      // What it removes is what it knows to be acknowledged from the call before.
      try await consumer.acknowledgeFinished()
      #expect(try await bus.entries(stream).map(\.text) == (4..<10).map { "\($0)" })
      consumer.finish(Array(first.dropFirst(4)))
      try await consumer.acknowledgeFinished()
      try await consumer.acknowledgeFinished()
      #expect(try await bus.entries(stream).map(\.text) == (6..<10).map { "\($0)" })
      #expect(try await consumer.read().map(\.text) == (6..<10).map { "\($0)" })
    }
  }

  @Test("acknowledges by itself, soon")
  func finishesLater() async throws {
    try await Bus.run { bus in
      let stream = self.stream(bus)
      for number in 0..<3 { try await bus.add("\(number)", to: stream) }
      let consumer = try await self.consumer(bus, of: stream)
      _ = try await consumer.createGroup()
      consumer.finish(try await consumer.read())
      #expect(try await eventually { try await bus.length(stream) == 0 })
      #expect(try await self.pending(bus, stream) == 0)
    }
  }

  @Test(
    "removes nothing that another consumer has pending, and the heir of a dead one misses nothing")
  func twoConsumers() async throws {
    try await Bus.run { bus in
      let stream = self.stream(bus)
      for number in 0..<12 { try await bus.add("\(number)", to: stream) }
      let one = try await self.consumer(bus, of: stream, name: "one")
      let two = try await self.consumer(bus, of: stream, name: "two")
      _ = try await one.createGroup()
      var seen: [String?] = []
      let ones = try await one.read(maximum: 4)
      let twos = try await two.read(maximum: 4)

      two.finish(twos)
      seen += twos.map(\.text)
      for _ in 0..<3 { try await two.acknowledgeFinished() }
      #expect(try await bus.length(stream) == 12)

      one.finish(Array(ones.prefix(2)))
      seen += ones.prefix(2).map(\.text)
      for _ in 0..<3 { try await one.acknowledgeFinished() }
      #expect(try await bus.length(stream) == 10)

      // One dies here with two entries unfinished; two takes them over, then reads on.
      let claimed = try await two.claim(from: GroupConsumer.claimStart)
      #expect(claimed.entries.map(\.text) == ["2", "3"])
      #expect(claimed.next == nil)
      two.finish(claimed.entries)
      seen += claimed.entries.map(\.text)
      try await two.acknowledgeFinished()
      let rest = try await two.read()
      two.finish(rest)
      seen += rest.map(\.text)
      for _ in 0..<3 { try await two.acknowledgeFinished() }
      #expect(Set(seen) == Set((0..<12).map { "\($0)" }))
      #expect(seen.count == 12)
      #expect(try await bus.length(stream) == 0)
      #expect(try await self.pending(bus, stream) == 0)
    }
  }

  @Test("makes its group anew, from the first entry, when the stream was lost, and goes on")
  func heals() async throws {
    try await Bus.run { bus in
      let stream = self.stream(bus)
      let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
      let reader = try await bus.makeClient()
      let seen = Seen()
      let running = Task {
        await bus.consume(
          GroupConsumerParts(stream: stream, group: self.group, reader: reader), logger, seen)
      }
      try await bus.add("before", to: stream)
      #expect(try await eventually { await seen.texts == ["before"] })
      for round in 0..<3 {
        _ = try await bus.command("DEL", "\(stream)")
        // Written before the consumer has its group again.
        try await bus.add("\(round)", to: stream)
        #expect(try await eventually { await seen.texts.last == "\(round)" })
      }
      #expect(await seen.texts == ["before", "0", "1", "2"])
      #expect(await seen.created >= 4)
      running.cancel()
      try await reader.close().get()
      await running.value
    }
  }

  @Test("brings the same entries again, in order, when handling them has failed")
  func handlesAgain() async throws {
    try await Bus.run { bus in
      let stream = self.stream(bus)
      let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
      let reader = try await bus.makeClient()
      let seen = Seen(failures: 3)
      for number in 0..<5 { try await bus.add("\(number)", to: stream) }
      let running = Task {
        await bus.consume(
          GroupConsumerParts(stream: stream, group: self.group, reader: reader), logger, seen)
      }
      #expect(try await eventually { await seen.texts.count == 20 })
      try await bus.add("5", to: stream)
      #expect(try await eventually { await seen.texts.count == 21 })
      let five = (0..<5).map { "\($0)" }
      #expect(await seen.texts == five + five + five + five + ["5"])
      running.cancel()
      try await reader.close().get()
      await running.value
      #expect(try await self.pending(bus, stream) == 0)
    }
  }
}

/// What a running consumer has handled.
private actor Seen {
  private(set) var texts: [String] = []
  private(set) var created = 0
  private var failures: Int

  init(failures: Int = 0) { self.failures = failures }

  func started(_ wasCreated: Bool) { if wasCreated { self.created += 1 } }

  func handle(_ entries: [String]) throws(RedisError) {
    self.texts += entries
    guard self.failures == 0 else {
      self.failures -= 1
      throw .unanswered("the test says so")
    }
  }
}

private struct GroupConsumerParts: Sendable {
  let stream: RedisKey
  let group: String
  let reader: any RedisClient
}

extension Bus {
  /// Runs a consumer on the clients' event loop until the task is cancelled.
  fileprivate func consume(_ parts: GroupConsumerParts, _ logger: Logger, _ seen: Seen) async {
    let consumer = GroupConsumer(
      stream: parts.stream, group: parts.group, name: "one", reader: parts.reader,
      client: self.client)
    await consumer.run(logger: logger) { wasCreated throws(RedisError) in
      await seen.started(wasCreated)
    } handle: { entries throws(RedisError) in
      try await seen.handle(entries.map { $0.text ?? "nil" })
    }
  }
}
