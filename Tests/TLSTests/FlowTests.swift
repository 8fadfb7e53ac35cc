import Foundation
import LocalCluster
import LocalRedis
import NIOCore
import SeededRandom
import Testing

@testable import TLS

/// Against a real redis-server.
@Suite("The flow of data", .timeLimit(.minutes(20)))
struct FlowTests {
  private static func value(_ bytes: Int, seed: UInt64) -> [UInt8] {
    var generator = SplitMix64(seed: seed)
    return (0..<bytes / 8).flatMap { _ in
      withUnsafeBytes(of: generator.next()) { Array($0) }
    }
  }

  private static func set(_ key: String, _ value: [UInt8]) -> ByteBuffer {
    var buffer = ByteBuffer(string: "*3\r\n$3\r\nSET\r\n$\(key.utf8.count)\r\n\(key)\r\n")
    buffer.writeString("$\(value.count)\r\n")
    buffer.writeBytes(value)
    buffer.writeString("\r\n")
    return buffer
  }

  private static func reply(_ value: [UInt8]) -> [UInt8] {
    Array("$\(value.count)\r\n".utf8) + value + Array("\r\n".utf8)
  }

  @Test("carries several megabytes both ways", arguments: ["TLSv1.2", "TLSv1.3"])
  func large(version: String) async throws {
    let context = try TLSContext(LocalCertificates.shared.trusting)
    let values = (0..<6).map { Self.value(1024 * 1024 + $0 * 8, seed: UInt64($0)) }
    try await withRedis(protocols: version) { (server) async throws in
      let client = try await Client.open(to: server.tlsPort!, context)
      for (index, value) in values.enumerated() {
        client.channel.write(Self.set("key\(index)", value), promise: nil)
      }
      // The answers come while we still write.
      for index in values.indices {
        client.channel.write(ByteBuffer(string: "GET key\(index)\r\n"), promise: nil)
      }
      client.channel.flush()
      let expected =
        Array(String(repeating: "+OK\r\n", count: values.count).utf8)
        + values.flatMap(Self.reply)
      let state = await client.recorder.wait { $0.bytes.count >= expected.count }
      #expect(state.bytes == expected)
      try await client.channel.close()
    }
  }

  @Test("does not depend on how the stream is cut", arguments: ["TLSv1.2", "TLSv1.3"], [1, 700])
  func cuts(version: String, upTo: Int) async throws {
    let context = try TLSContext(LocalCertificates.shared.trusting)
    let value = Self.value(64 * 1024, seed: 1)
    try await withRedis(protocols: version) { (server) async throws in
      let shared = Shared(seed: 2)
      let client = try await Client.open(to: server.tlsPort!, context) { buffer in
        var rest = buffer
        var pieces: [ByteBuffer] = []
        while rest.readableBytes > 0 {
          let count = shared.random(1...upTo)
          pieces.append(rest.readSlice(length: min(count, rest.readableBytes))!)
        }
        return pieces
      }
      client.channel.write(Self.set("key", value), promise: nil)
      try await client.send("GET key\r\n")
      let expected = Array("+OK\r\n".utf8) + Self.reply(value)
      let state = await client.recorder.wait { $0.bytes.count >= expected.count }
      #expect(state.bytes == expected)
      try await client.channel.close()
    }
  }

  @Test("is seen by the channel: it is not writable while the server does not read")
  func writability() async throws {
    let context = try TLSContext(LocalCertificates.shared.trusting)
    try await withRedis { (server) async throws in
      let client = try await Client.open(to: server.tlsPort!, context)
      #expect(client.channel.isWritable)
      server.pause()
      let isWritten = Flag()
      let value = Self.value(16 * 1024 * 1024, seed: 1)
      let promise = client.channel.eventLoop.makePromise(of: Void.self)
      promise.futureResult.whenSuccess { isWritten.raise() }
      client.channel.writeAndFlush(Self.set("key", value), promise: promise)
      try await client.inLoop { handler, _ in #expect(handler.pending.byteCount == 0) }
      #expect(!client.channel.isWritable)
      #expect(!isWritten.isRaised)
      server.resume()
      try await promise.futureResult.get()
      #expect(client.channel.isWritable)
      #expect(await client.recorder.wait { !$0.bytes.isEmpty }.text == "+OK\r\n")
      try await client.channel.close()
    }
  }

  @Test("waits until it is read, and none is kept back", arguments: ["TLSv1.2", "TLSv1.3"])
  func reading(version: String) async throws {
    let context = try TLSContext(LocalCertificates.shared.trusting)
    let value = Self.value(4 * 1024 * 1024, seed: 3)
    let expected = Array("+OK\r\n".utf8) + Self.reply(value)
    try await withRedis(protocols: version) { (server) async throws in
      // The handshake reads by itself.
      let client = try await Client.open(to: server.tlsPort!, context, autoRead: false)
      client.channel.write(Self.set("key", value), promise: nil)
      try await client.send("GET key\r\n")
      let reads = try await client.inLoop { _, wire in wire.reads }
      try await Task.sleep(for: .milliseconds(50))
      #expect(client.recorder.now.bytes.isEmpty)
      #expect(try await client.inLoop { _, wire in wire.reads } == reads)

      var received = 0
      while received < expected.count {
        client.channel.read()
        let before = received
        // One wish is enough for some plaintext, even when half a record comes first.
        received = await client.recorder.wait { $0.bytes.count > before }.bytes.count
        let kept = try await client.inLoop { _, wire in wire.received.count } - received
        // The handshake, the records' overhead, and at most one incomplete record.
        #expect(kept < 8 * 1024 + received / 100 + TLSLimits.recordBytes + 256)
        guard received > before else { break }
      }
      #expect(client.recorder.now.bytes == expected)
      try await client.channel.close()
    }
  }

  @Test("gathers the small writes of one flush into one record, and tells each writer")
  func gathering() async throws {
    let context = try TLSContext(LocalCertificates.shared.trusting)
    try await withRedis { (server) async throws in
      let client = try await Client.open(to: server.tlsPort!, context)
      #expect(try await client.ask("PING") == "+PONG\r\n")
      let before = try await client.inLoop { _, wire in wire.sent.count }
      let writes = try await client.channel.eventLoop.submit {
        let writes = (0..<100).map { client.channel.write(ByteBuffer(string: "ECHO \($0)\r\n")) }
        client.channel.flush()
        return writes
      }.get()
      for write in writes { try await write.get() }
      let sent = try await client.inLoop { _, wire in wire.sent.count } - before
      let plaintext = (0..<100).reduce(0) { $0 + "ECHO \($1)\r\n".utf8.count }
      #expect(sent == plaintext + 22)
      let answers = (0..<100).map { "$\("\($0)".utf8.count)\r\n\($0)\r\n" }
      let expected = "+PONG\r\n" + answers.joined()
      let state = await client.recorder.wait { $0.bytes.count >= expected.utf8.count }
      #expect(state.text == expected)
      try await client.channel.close()
    }
  }
}
