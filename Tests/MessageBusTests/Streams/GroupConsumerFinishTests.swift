import BusTestSupport
import TestSupport
import Testing

@testable import MessageBus

@Suite("A group's consumer that finishes entries", .timeLimit(.minutes(20)))
struct GroupConsumerFinishTests {
  @Test("acknowledges and removes what is finished, and nothing that is not")
  func finishes() async throws {
    try await Bus.run { bus in
      let stream = bus.stream
      try await bus.fill(0..<10)
      let consumer = try await bus.makeConsumer()
      _ = try await consumer.begin()
      let entries = try await consumer.read()
      consumer.addFinished(Array(entries.prefix(4)))
      #expect(try await bus.groups()[0].pending == 10)
      try await consumer.acknowledgeFinished()
      #expect(try await bus.groups()[0].pending == 6)
      #expect(try await bus.entries(stream).map(\.text) == texts(4..<10))
    }
  }

  @Test("acknowledges by itself, soon")
  func finishesLater() async throws {
    try await Bus.run { bus in
      let stream = bus.stream
      try await bus.fill(0..<3)
      let consumer = try await bus.makeConsumer()
      _ = try await consumer.begin()
      consumer.addFinished(try await consumer.read())
      #expect(try await eventually { try await bus.length(stream) == 0 })
      #expect(try await bus.groups()[0].pending == 0)
    }
  }

  @Test("acknowledges at once only if it is told to")
  func finishesNow() async throws {
    try await Bus.run { bus in
      let consumer = try await bus.makeConsumer()
      _ = await consumer.next()
      try await bus.fill(0..<3)
      _ = await consumer.next()
      await consumer.finish(.later)
      #expect(consumer.finished.offsets.count == 3)
      try await bus.fill(3..<6)
      _ = await consumer.next()
      await consumer.finish(.now)
      #expect(consumer.finished.offsets.isEmpty)
      #expect(try await bus.groups()[0].pending == 0)
      #expect(try await bus.length(bus.stream) == 0)
    }
  }

  @Test("removes nothing that another group on the stream has not finished")
  func respectsOthers() async throws {
    try await Bus.run { bus in
      let stream = bus.stream
      try await bus.fill(0..<10)
      _ = try await bus.command("XGROUP", "CREATE", "\(stream)", "archive", "0")
      let consumer = try await bus.makeConsumer()
      _ = try await consumer.begin()
      consumer.addFinished(try await consumer.read())
      try await consumer.acknowledgeFinished()
      #expect(try await bus.length(stream) == 10, "the archive has read nothing")

      // It reads six, and acknowledges the first two.
      let reply = try await bus.command(
        "XREADGROUP", "GROUP", "archive", "a", "COUNT", "6", "STREAMS", "\(stream)", ">")
      _ = reply
      let offsets = try await bus.entries(stream).map(\.offset)
      _ = try await bus.command(
        "XACK", "\(stream)", "archive", "\(offsets[0])", "\(offsets[1])")
      try await bus.fill(10..<11)
      consumer.addFinished(try await consumer.read())
      try await consumer.acknowledgeFinished()
      #expect(try await bus.entries(stream).map(\.text) == texts(2..<11))
    }
  }

  @Test("that was replaced removes nothing that its heir has not finished")
  func zombieRemovesNothing() async throws {
    try await Bus.run { bus in
      let stream = bus.stream
      try await bus.fill(0..<10)
      let zombie = try await bus.makeConsumer("zombie")
      _ = try await zombie.begin()
      let read = try await zombie.read()
      let heir = try await bus.makeConsumer("heir")
      _ = try await heir.begin()
      let heirs = try await heir.read()
      heir.addFinished(Array(heirs.prefix(3)))
      try await heir.acknowledgeFinished()
      zombie.addFinished(read)
      try await zombie.acknowledgeFinished()
      #expect(try await bus.entries(stream).map(\.text) == texts(3..<10))
    }
  }
}
