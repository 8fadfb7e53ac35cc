import ConnectProtocol
import ConnectTestStand
import Foundation
import Listening
import NIOCore
import TestSupport
import Testing

@testable import Gateway

@Suite("What sockets cost a gateway is bounded")
struct SocketTests {
  @Test("in number, upgraded or not: more wait until others have gone")
  func number() async throws {
    let budget = SocketBudget(limit: 8)
    var options = TestStand.Options()
    options.configure = { $0.socketBudget = budget }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice")
      #expect(budget.open == 1)
      var idle: [TestSocket] = []
      for _ in 0..<40 { idle.append(try await TestSocket.open(port: stand.gateways[0].port)) }
      try await eventually("the budget is used up") { budget.open >= 8 }
      // The sockets of one turn of the loop may exceed it.
      #expect(budget.open < 12)
      alice.sendMessage("1", to: "alice")
      try await alice.expectAccepted("1", and: "message")

      for socket in idle { socket.close() }
      let bob = try await stand.online("bob")
      bob.close()
      alice.close()
      try await eventually("all are given back") { budget.open == 0 }
    }
  }

  @Test("in time, when a client has sent its close and leaves the socket open")
  func clientStays() async throws {
    let budget = SocketBudget(limit: 8)
    var options = TestStand.Options()
    options.configure = { $0.socketBudget = budget }
    try await TestStand.with(options) { stand in
      let bob = try await stand.online("bob")
      try await bob.stayOpen()
      bob.sendClose(1000)
      try await eventually("bob is not online") { try await stand.session("bob") == nil }
      try await eventually("the socket is closed") { budget.open == 0 }
    }
  }

  @Test("in no time that the kernel waits for more to send: they have the listener's TCP_NODELAY")
  func noDelay() async throws {
    try await TestStand.with { stand in
      let bob = try await stand.online("bob")
      let connection = try stand.connection("bob")
      let option = try await connection.eventLoop.submit {
        try connection.value.context?.channel.syncOptions?.getOption(.tcpOption(.tcp_nodelay))
      }.get()
      #expect(option != 0 && option != nil)
      try await bob.expectOpen()
    }
  }

  #if os(Linux)
    /// Bytes that the kernel keeps of what was written to the sockets of a port and not received.
    private func unsentBytes(port: Int) throws -> Int {
      // Not as a string: that would end with the first page.
      let file = try #require(FileHandle(forReadingAtPath: "/proc/net/tcp"))
      let table = String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
      let local = ":" + String(format: "%04X", port)
      return table.split(separator: "\n").dropFirst().reduce(0) { sum, line in
        let fields = line.split(separator: " ")
        guard fields.count > 4, fields[1].hasSuffix(local) else { return sum }
        return sum + (Int(fields[4].prefix { $0 != ":" }, radix: 16) ?? 0)
      }
    }

    @Test("in the kernel's memory, for a client that does not read")
    func memory() async throws {
      var options = TestStand.Options()
      options.configure = {
        $0.sendsPerSecond = 0
        // Who does not read answers no pings, for as long as a busy machine takes.
        $0.pingSeconds = 3_600
      }
      try await TestStand.with(options) { stand in
        let port = stand.gateways[0].port
        let (bob, _) = try await TestSocket.upgrade(
          port: port, try await stand.request("bob"), receiveBufferBytes: 4_096)
        try await bob.expectWelcome()
        try await bob.expectLive()
        try await bob.setReading(false)
        let alice = try await stand.online("alice")
        let body = String(repeating: "x", count: 60_000)
        // 7 MB, of which the kernel would take 4 by itself.
        let count = 120
        for number in 0..<count {
          alice.sendMessage("\(number)", to: "bob", body: "\"\(body)\"")
          try await alice.expectAccepted("\(number)")
        }
        try await eventually("all are stored") { try await stand.mailbox("bob").count == count }
        try await eventually("the kernel's buffer is full") {
          try self.unsentBytes(port: port) > 32 * 1024
        }
        // Linux counts what it keeps beside the bytes, too, up to twice what was asked for, and looks only before it
        // takes a segment, of 64 KiB at most.
        let unsent = try self.unsentBytes(port: port)
        #expect(unsent <= 2 * GatewayLimits.sendBufferBytes + 64 * 1024)

        try await bob.setReading(true)
        for number in 0..<count {
          let message = try await bob.expectMessage()
          #expect(message.id == "\(number)")
          bob.ack(message.offset)
        }
      }
    }
  #endif
}
