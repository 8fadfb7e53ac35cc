import ConnectTestStand
import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import Listening

@Suite("A port that is listened on")
struct ListenerTests {
  /// A port whose connections say and do nothing.
  private struct Port: Sendable {
    let listener: any Channel
    let budget: SocketBudget
    let accepted: NIOLockedValueBox<[any Channel]>
    let log: EventLog

    var number: Int { self.listener.localAddress?.port ?? 0 }

    func connect() async throws -> TestSocket {
      try await TestSocket.open(port: self.number, receiveBufferBytes: 4_096)
    }
  }

  private func with(
    sockets: Int = 1_000, budget: Int = 1_000, _ body: (Port) async throws -> Void
  ) async throws {
    let accepted = NIOLockedValueBox<[any Channel]>([])
    let log = EventLog()
    let shared = SocketBudget(limit: budget)
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bounded(
        by: ListenerBounds(
          name: "test", sockets: sockets, shared: shared, sendBufferBytes: 64 * 1024,
          receiveBufferBytes: 64 * 1024),
        logger: log.logger
      )
      .childChannelInitializer { channel in
        accepted.withLockedValue { $0.append(channel) }
        return channel.eventLoop.makeSucceededVoidFuture()
      }
      .bind(host: "127.0.0.1", port: 0).get()
    let port = Port(listener: listener, budget: shared, accepted: accepted, log: log)
    do { try await body(port) } catch {
      try? await listener.close()
      throw error
    }
    try await listener.close()
  }

  private func accepts(_ port: Port) async throws -> Bool {
    try await port.listener.getOption(.autoRead).get()
  }

  @Test(
    "accepts no more than its limit or the process's, and goes on when they close",
    arguments: [(8, 1_000), (1_000, 8)])
  func limits(sockets: Int, budget: Int) async throws {
    try await self.with(sockets: sockets, budget: budget) { port in
      let most = 8 + Int(ListeningLimits.acceptsPerTurn) - 1
      var clients: [TestSocket] = []
      for _ in 0..<40 { clients.append(try await port.connect()) }
      try await eventually("the port is full") { port.accepted.withLockedValue { $0.count >= 8 } }
      try await eventually("it accepts no more") { try await self.accepts(port) == false }
      // A connection reaches its own event loop after it was counted.
      try await eventually("all that are counted are there") {
        port.accepted.withLockedValue { $0.count } == port.budget.open
      }
      #expect(port.budget.open <= most)

      // Half of what it has goes: others come, and never too many at a time.
      for client in clients.prefix(20) { client.close() }
      try await eventually("others are accepted") {
        #expect(port.budget.open <= most)
        return port.accepted.withLockedValue { $0.count } >= 28
      }
      // Once; or again, if it looked just when all that it had were closed.
      let events = port.log.events
      #expect(events.first == "listener.paused")
      #expect(zip(events, events.dropFirst()).allSatisfy { $0 != $1 } && events.count < 10)
      for client in clients { client.close() }
      try await eventually("all are accepted, and closed") {
        port.accepted.withLockedValue { $0.count } == 40 && port.budget.open == 0
      }
      try await eventually("it is over") {
        port.log.events.last == "listener.resumed"
      }
      #expect(try await self.accepts(port))
    }
  }

  @Test(
    "waits when the system refuses, and tries again",
    arguments: [EMFILE, ENFILE, ENOBUFS, ENOMEM])
  func exhausted(errno: CInt) async throws {
    try await self.with { port in
      let accepts = try await port.listener.eventLoop.submit {
        port.listener.pipeline.syncOperations.fireErrorCaught(
          IOError(errnoCode: errno, reason: "accept"))
        return try port.listener.syncOptions?.getOption(.autoRead)
      }.get()
      #expect(accepts == false)
      let client = try await port.connect()
      try await eventually("it is accepted in the end") { port.budget.open == 1 }
      try await eventually("it is over") {
        port.log.events == ["listener.paused", "listener.resumed"]
      }
      client.close()
    }
  }

  @Test("goes on at once after a connection that was gone before it was accepted")
  func aborted() async throws {
    try await self.with { port in
      try await port.listener.eventLoop.submit {
        port.listener.pipeline.syncOperations.fireErrorCaught(
          IOError(errnoCode: ECONNABORTED, reason: "accept"))
      }.get()
      #expect(try await self.accepts(port))
      #expect(port.log.events.isEmpty)
    }
  }

  #if os(Linux)
    @Test("has the kernel keep so much for a client that does not read, and no more")
    func kernelBuffers() async throws {
      try await self.with { port in
        let client = try await port.connect()
        try await client.setReading(false)
        // It is active, and takes anything, only after it was counted.
        try await eventually("it is active") {
          port.accepted.withLockedValue { $0.first?.isActive == true }
        }
        let channel = try #require(port.accepted.withLockedValue { $0.first })
        // Twice what was asked for, as `man 7 socket` says.
        #expect(try await channel.getOption(.socketOption(.so_sndbuf)).get() == 128 * 1024)
        #expect(try await channel.getOption(.socketOption(.so_rcvbuf)).get() == 128 * 1024)
        let count = 8 * 1024 * 1024
        channel.writeAndFlush(ByteBuffer(repeating: 0, count: count), promise: nil)
        let taken = try await channel.eventLoop.submit {
          count - (try channel.syncOptions?.getOption(.bufferedWritableBytes) ?? 0)
        }.get()
        #expect(taken > 0)
        #expect(taken <= 256 * 1024, "\(taken) bytes")
        client.close()
      }
    }
  #endif
}
