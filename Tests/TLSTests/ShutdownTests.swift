import Foundation
import LocalCluster
import LocalRedis
import NIOCore
import Testing

@testable import TLS

/// Against a real redis-server.
@Suite("The end of a connection", .timeLimit(.minutes(20)))
struct ShutdownTests {
  /// The types of all records in a stream.
  private func recordTypes(_ stream: [UInt8]) -> [UInt8] {
    var types: [UInt8] = []
    var index = 0
    while index + 5 <= stream.count {
      types.append(stream[index])
      index += 5 + Int(stream[index + 3]) << 8 + Int(stream[index + 4])
    }
    #expect(index == stream.count)
    return types
  }

  @Test("is a farewell when we close")
  func weClose() async throws {
    let context = try TLSContext(LocalCertificates.shared.trusting)
    // In TLS 1.2 one can see from outside that a record is an alert (21).
    try await withRedis(protocols: "TLSv1.2") { (server) async throws in
      let client = try await Client.open(to: server.tlsPort!, context)
      #expect(try await client.ask("PING") == "+PONG\r\n")
      let before = try await client.inLoop { _, wire in wire.sent }
      let sent = try await client.channel.eventLoop.flatSubmit {
        let last = client.channel.eventLoop.makePromise(of: Void.self)
        client.channel.write(ByteBuffer(string: "never flushed"), promise: last)
        client.channel.close(promise: nil)
        return last.futureResult
      }.map { "written" }.flatMapErrorThrowing { "\($0)" }.get()
      #expect(sent == "\(ChannelError.ioOnClosedChannel)")
      let after = try await client.inLoop { _, wire in wire.sent }
      #expect(recordTypes(before).last == 23)
      #expect(recordTypes(Array(after[before.count...])) == [21])
      let state = await client.recorder.wait { $0.isInactive }
      #expect(state.events == ["inactive"])
    }
  }

  @Test("is a farewell when the server closes, and no error", arguments: ["TLSv1.2", "TLSv1.3"])
  func serverCloses(version: String) async throws {
    let context = try TLSContext(LocalCertificates.shared.trusting)
    try await withRedis(protocols: version) { (server) async throws in
      let client = try await Client.open(to: server.tlsPort!, context)
      let before = try await client.inLoop { _, wire in wire.sent.count }
      try await client.send("QUIT\r\n")
      let state = await client.recorder.wait { $0.isInactive }
      #expect(state.text == "+OK\r\n")
      #expect(state.events == ["inactive"])
      // The command, and the answer to the farewell.
      let sent = try await client.inLoop { _, wire in wire.sent }
      #expect(recordTypes(Array(sent[before...])) == [23, version == "TLSv1.2" ? 21 : 23])
      await #expect(throws: ChannelError.self) { try await client.send("PING\r\n") }
    }
  }

  @Test("is an error when the stream is cut, and comes before the channel is inactive")
  func truncated() async throws {
    let context = try TLSContext(LocalCertificates.shared.trusting)
    try await withRedis { (server) async throws in
      let client = try await Client.open(to: server.tlsPort!, context)
      #expect(try await client.ask("PING") == "+PONG\r\n")
      await server.kill()
      let state = await client.recorder.wait { $0.isInactive }
      #expect(state.events == ["error", "inactive"])
      guard case .truncated(anythingReceived: true, _) = state.errors.first?.failure else {
        Issue.record("\(state.errors)")
        return
      }
    }
  }

  @Test("can not be that of one half")
  func halfClosure() async throws {
    let context = try TLSContext(LocalCertificates.shared.trusting)
    try await withRedis { (server) async throws in
      let client = try await Client.open(to: server.tlsPort!, context)
      await #expect(throws: ChannelError.self) {
        try await client.channel.close(mode: .output)
      }
      #expect(try await client.ask("PING") == "+PONG\r\n")
      try await client.channel.close()
    }
  }
}
