import NIOCore

/// Makes the buffers that a socket is read into, of the size that the last reads suggest, and leaves none
/// with an idle connection.
///
/// What NIO's own allocators make stays with the channel: 512 bytes for as long as it lives, to be read
/// into again. Here each read has a buffer of its own, which goes where its bytes go. So the decoder has it
/// alone, and unmasks in place what it would have to copy otherwise. The one that NIO keeps in any case is the
/// first, which is as small as may be. That holds while ``GatewayLimits/readsPerTurn`` is 1.
///
/// Small enough itself for the channel to have no allocation for it.
struct ReceiveBuffers: RecvByteBufferAllocator {
  private var bytes = UInt32(GatewayLimits.receiveBufferInitialBytes)
  private var isFirst = true
  /// Whether the last read needed half of its buffer at most.
  private var wasHalf = false

  func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
    allocator.buffer(
      capacity: self.isFirst ? GatewayLimits.keptReceiveBufferBytes : Int(self.bytes))
  }

  /// - Returns: true always: NIO reads into a buffer again only if the next is not said to be larger.
  mutating func record(actualReadBytes: Int) -> Bool {
    guard !self.isFirst else {
      self.isFirst = false
      return true
    }
    if actualReadBytes >= self.bytes {
      self.bytes = min(self.bytes * 2, UInt32(GatewayLimits.receiveBufferMaximumBytes))
      self.wasHalf = false
    } else if actualReadBytes <= self.bytes / 2 {
      if self.wasHalf {
        self.bytes = max(self.bytes / 2, UInt32(GatewayLimits.receiveBufferMinimumBytes))
      }
      self.wasHalf.toggle()
    } else {
      self.wasHalf = false
    }
    return true
  }
}
