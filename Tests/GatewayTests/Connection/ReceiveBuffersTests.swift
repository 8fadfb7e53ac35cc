import NIOCore
import Testing

@testable import Gateway

@Suite("What sockets are read into")
struct ReceiveBuffersTests {
  /// As a channel of NIO that reads as often in a turn as those of a gateway.
  private struct Reader {
    private var pool: NIOPooledRecvBufferAllocator

    /// One that has read its first bytes.
    init(_ shared: ReceiveBuffer) {
      self.pool = NIOPooledRecvBufferAllocator(
        capacity: Int(GatewayLimits.readsPerTurn), recvAllocator: ReceiveBuffers())
      _ = self.read(1)
      self.pool.recvAllocator = ReceiveBuffers(shared)
    }

    /// Reads as much as there is and fits.
    mutating func read(_ available: Int) -> ByteBuffer {
      let (buffer, count) = self.pool.buffer(allocator: ByteBufferAllocator()) { buffer in
        buffer.writeRepeatingByte(1, count: min(available, buffer.writableBytes))
      }
      self.pool.record(actualReadBytes: count)
      return buffer
    }
  }

  private static func address(_ buffer: ByteBuffer) -> UnsafeRawPointer? {
    buffer.withUnsafeReadableBytes { $0.baseAddress }
  }

  @Test("is not kept by the channel, but for a small first buffer")
  func kept() {
    var pool = NIOPooledRecvBufferAllocator(
      capacity: Int(GatewayLimits.readsPerTurn), recvAllocator: ReceiveBuffers())
    var sizes: [Int] = []
    var areAlone: [Bool] = []
    for number in 0..<4 {
      if number == 2 { pool.recvAllocator = ReceiveBuffers(ReceiveBuffer()) }
      var (buffer, _) = pool.buffer(allocator: ByteBufferAllocator()) { buffer in
        buffer.writeRepeatingByte(1, count: buffer.writableBytes)
      }
      pool.record(actualReadBytes: buffer.readableBytes)
      sizes.append(buffer.readableBytes)
      areAlone.append(buffer.modifyIfUniquelyOwned { _ in true } ?? false)
    }
    #expect(sizes == [16, 1_024, GatewayLimits.readBytes, GatewayLimits.readBytes])
    #expect(areAlone == [false, true, true, true])
  }

  @Test("is another buffer while somebody holds what was read before")
  func held() {
    let shared = ReceiveBuffer()
    var (a, b) = (Reader(shared), Reader(shared))
    let first = a.read(100)
    let address = Self.address(first)
    shared.giveBack(first)
    // As the first is still held.
    let second = b.read(100)
    #expect(Self.address(second) != address)
    #expect(first.readableBytes == 100)
  }

  @Test("is the same again once nobody holds what was read before")
  func again() {
    let shared = ReceiveBuffer()
    var (a, b) = (Reader(shared), Reader(shared))
    func readAndGiveBack(_ reader: inout Reader) -> UnsafeRawPointer? {
      let buffer = reader.read(100)
      let address = Self.address(buffer)
      shared.giveBack(buffer)
      return address
    }
    let first = readAndGiveBack(&a)
    #expect(readAndGiveBack(&b) == first)
    #expect(readAndGiveBack(&a) == first)
  }

  @Test("is another one if what was given back is smaller, as what an upgrade leaves is")
  func smaller() {
    let shared = ReceiveBuffer()
    var reader = Reader(shared)
    shared.giveBack(ByteBuffer(repeating: 1, count: 100))
    #expect(reader.read(1_000).readableBytes == 1_000)
  }
}
