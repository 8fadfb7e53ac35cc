import Foundation
import LocalCluster
import LocalRedis
import NIOConcurrencyHelpers
import NIOCore
import NIOEmbedded
import SeededRandom
import Synchronization
import Testing

@testable import TLS

/// Whatever comes, nothing may be handed on that the server has not sent, nothing written may leave
/// unless to the right server, and everybody who waits is told.
@Suite("Damaged bytes", .timeLimit(.minutes(20)))
struct FuzzTests {
  private static let secret = "SECRET-SECRET-SECRET"

  /// The bytes of a server in the handshake and after, to be shown to others: they cannot know what
  /// the bytes mean, as each handshake has its own keys.
  private func recording(_ version: String) async throws -> [UInt8] {
    let context = try TLSContext(LocalCertificates.shared.identified)
    return try await withRedis(clients: .required, protocols: version) { (server) async throws in
      let client = try await Client.open(to: server.tlsPort!, context)
      #expect(try await client.ask("PING") == "+PONG\r\n")
      try await client.channel.close()
      return try await client.inLoop { _, wire in wire.received }
    }
  }

  private static func mutate(_ stream: inout [UInt8], using generator: inout SplitMix64) {
    for _ in 0..<Int.random(in: 0...4, using: &generator) where !stream.isEmpty {
      let index = Int.random(in: stream.indices, using: &generator)
      switch Int.random(in: 0..<6, using: &generator) {
      case 0: stream[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      case 1: stream.remove(at: index)
      case 2: stream.insert(.random(in: .min ... .max, using: &generator), at: index)
      case 3: stream.removeLast(stream.count - index)
      case 4: stream += stream[index...]
      // An alert, or a record of data, in the clear.
      default: stream.insert(contentsOf: [21, 3, 3, 0, 2, 1, UInt8(index & 0x7F)], at: index)
      }
    }
  }

  /// Shows a stream to a handshake, in pieces of any size, and checks what must hold.
  private func show(
    _ stream: [UInt8], to context: TLSContext, using generator: inout SplitMix64
  ) throws {
    let harness = try Embedded(context: context)
    let write = harness.channel.eventLoop.makePromise(of: Void.self)
    var writeFailed = false
    write.futureResult.assumeIsolated().whenFailure { _ in writeFailed = true }
    harness.channel.writeAndFlush(ByteBuffer(string: Self.secret), promise: write)
    let longest = [1, 30, 500, 100_000].randomElement(using: &generator)!
    var rest = stream[...]
    while !rest.isEmpty {
      let piece = rest.prefix(.random(in: 1...longest, using: &generator))
      rest = rest.dropFirst(piece.count)
      try harness.receive(piece)
      #expect(!harness.isReady)
    }
    if harness.channel.isActive { harness.channel.close(promise: nil) }
    #expect(harness.failure != nil && writeFailed)
    #expect(harness.recorder.now.bytes.isEmpty)
    #expect(harness.recorder.now.isInactive)
    #expect(harness.handler.connection == nil)
    #expect(try !harness.outboundText().contains(Self.secret))
  }

  @Test("and random ones end a handshake")
  func random() async throws {
    let context = try TLSContext(TLSConfiguration(trust: .anybody))
    var generator = SplitMix64(seed: 0x5EED)
    for round in 0..<1_500 {
      if round % 50 == 0 { await Task.yield() }
      var stream = (0..<Int.random(in: 0...600, using: &generator)).map { _ in
        UInt8.random(in: .min ... .max, using: &generator)
      }
      // Mostly in what looks like a record, as the rest is refused by its first byte.
      if Int.random(in: 0..<5, using: &generator) > 0 {
        let type = UInt8.random(in: 20...24, using: &generator)
        stream = [type, 3, 3, UInt8(stream.count >> 8), UInt8(stream.count & 0xFF)] + stream
      }
      try show(stream, to: context, using: &generator)
    }
  }

  @Test("and those of another connection end a handshake", arguments: ["TLSv1.2", "TLSv1.3"])
  func replayed(version: String) async throws {
    let recording = try await recording(version)
    let certificates = try LocalCertificates.shared
    let contexts = [
      try TLSContext(TLSConfiguration(trust: .anybody)), try TLSContext(certificates.identified),
    ]
    var generator = SplitMix64(seed: 0xF1)
    for round in 0..<1_000 {
      if round % 50 == 0 { await Task.yield() }
      var stream = recording
      Self.mutate(&stream, using: &generator)
      try show(stream, to: contexts[round % 2], using: &generator)
    }
  }

  /// Damages a stream once, at some place; the damage is the same for the same generator.
  private final class Damage: Sendable {
    private struct State {
      var at: Int
      var kind: Int
      var generator: SplitMix64
      var isOver = false
      var seenBytes = 0
    }
    private let state: Mutex<State>

    /// How much has come.
    var seenBytes: Int { state.withLock { $0.seenBytes } }

    init(using generator: inout SplitMix64) {
      let isEarly = Bool.random(using: &generator)
      let at = Int.random(in: isEarly ? 0...1_500 : 0...20_000, using: &generator)
      let kind = Int.random(in: 0..<6, using: &generator)
      state = Mutex(State(at: at, kind: kind, generator: SplitMix64(seed: generator.next())))
    }

    func callAsFunction(_ buffer: ByteBuffer) -> [ByteBuffer] {
      state.withLock { state in
        state.seenBytes += buffer.readableBytes
        if state.isOver { return state.kind == 0 ? [] : [buffer] }
        guard state.at < buffer.readableBytes else {
          state.at -= buffer.readableBytes
          return [buffer]
        }
        state.isOver = true
        var bytes = Array(buffer.readableBytesView)
        switch state.kind {
        // Nothing comes from here on.
        case 0: bytes.removeLast(bytes.count - state.at)
        case 1: bytes.remove(at: state.at)
        case 2: bytes.insert(.random(in: .min ... .max, using: &state.generator), at: state.at)
        case 3: bytes.insert(contentsOf: bytes[state.at...], at: state.at)
        default: bytes[state.at] ^= 1 << UInt8.random(in: 0..<8, using: &state.generator)
        }
        let cut = Int.random(in: 0...bytes.count, using: &state.generator)
        return [ByteBuffer(bytes: bytes[..<cut]), ByteBuffer(bytes: bytes[cut...])]
      }
    }
  }

  /// Where a part is missing nothing more comes, and there is no clock in the handler. How long a
  /// handshake takes as a whole depends on the machine.
  private func closeWhenStill(
    _ client: Client, _ damage: Damage, _ isLate: Flag
  ) -> RepeatedTask {
    let seenBytes = NIOLockedValueBox(damage.seenBytes)
    return client.channel.eventLoop.scheduleRepeatedTask(
      initialDelay: .milliseconds(500), delay: .milliseconds(500)
    ) { _ in
      let isStill = seenBytes.withLockedValue { before in
        defer { before = damage.seenBytes }
        return before == damage.seenBytes
      }
      guard isStill else { return }
      isLate.raise()
      client.channel.close(promise: nil)
    }
  }

  @Test(
    "of a real server end the connection, after nothing but true ones",
    arguments: ["TLSv1.2", "TLSv1.3"])
  func damaged(version: String) async throws {
    let context = try TLSContext(LocalCertificates.shared.identified)
    var generator = SplitMix64(seed: 0xDA4A6E)
    var clean = 0
    var failed = 0
    var late = 0
    try await withRedis(clients: .required, protocols: version) { (server) async throws in
      let text = String((0..<5_000).map { Character(UnicodeScalar(UInt8(0x41 + $0 % 26))) })
      let first = try await Client.open(to: server.tlsPort!, context)
      #expect(try await first.ask("SET key \(text)") == "+OK\r\n")
      try await first.channel.close()
      let expected = String(repeating: "$5000\r\n\(text)\r\n", count: 3) + "+OK\r\n"

      for round in 0..<120 {
        let damage = Damage(using: &generator)
        let client = try await Client.connect(to: server.tlsPort!, context) { damage($0) }
        client.channel.writeAndFlush(
          ByteBuffer(string: "GET key\r\nGET key\r\nGET key\r\nQUIT\r\n"), promise: nil)
        let isLate = Flag()
        let watch = closeWhenStill(client, damage, isLate)
        let state = await client.recorder.wait { $0.isInactive }
        watch.cancel()
        #expect(expected.hasPrefix(state.text), "round \(round)")
        let isReady = (try? await client.ready.get()) != nil
        if isLate.isRaised {
          late += 1
        } else if state.errors.isEmpty && isReady {
          clean += 1
          #expect(state.text == expected, "round \(round)")
        } else {
          failed += 1
        }
        #expect(try await client.inLoop { handler, _ in handler.connection == nil })
      }
    }
    #expect(
      failed > 60 && clean > 0, "\(failed) failed, \(clean) ended well, \(late) got nothing more")
  }
}
