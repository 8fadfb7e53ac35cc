import NIOCore
import Testing

@testable import Gateway

@Suite("The receive buffers of a socket")
struct ReceiveBuffersTests {
  /// As a channel of NIO that reads as often in a turn as those of a gateway.
  private struct Reader {
    private var pool = NIOPooledRecvBufferAllocator(
      capacity: Int(GatewayLimits.readsPerTurn), recvAllocator: ReceiveBuffers())

    /// Reads as much as there is and fits.
    mutating func read(_ available: Int) -> ByteBuffer {
      let (buffer, count) = self.pool.buffer(allocator: ByteBufferAllocator()) { buffer in
        buffer.writeRepeatingByte(1, count: min(available, buffer.writableBytes))
      }
      self.pool.record(actualReadBytes: count)
      return buffer
    }

    /// Reads a little.
    ///
    /// - Returns: whether nobody else has the buffer.
    mutating func readsAlone() -> Bool {
      var buffer = self.read(6)
      return buffer.modifyIfUniquelyOwned { _ in true } ?? false
    }
  }

  @Test("are not kept by the channel, but for a small first one")
  func kept() {
    var reader = Reader()
    var first = reader.read(2_000)
    let isOurs = first.modifyIfUniquelyOwned { _ in true } ?? false
    #expect(first.readableBytes < 64)
    #expect(!isOurs, "NIO keeps it")
    let alone = (0..<10).map { _ in reader.readsAlone() }
    #expect(alone.allSatisfy { $0 })
  }

  @Test("grow while they are filled, and shrink when two in a row were half empty")
  func sizes() {
    var reader = Reader()
    _ = reader.read(1)
    let grown = (0..<6).map { _ in reader.read(100_000).readableBytes }
    #expect(grown == [1_024, 2_048, 4_096, 8_192, 16_384, 16_384])
    let shrunk = (0..<13).map { _ in reader.read(1).capacity }
    #expect(
      shrunk == [16_384, 16_384, 8_192, 8_192, 4_096, 4_096, 2_048, 2_048, 1_024, 1_024]
        + [512, 512, 512])
    let again = [512, 1_000, 1_000, 600].map { reader.read($0).readableBytes }
    #expect(again == [512, 1_000, 1_000, 600])
  }
}
