import NIOCore

/// The buffer into which an event loop reads its sockets, one after the other.
///
/// Whoever is given the bytes of a read copies what it keeps, and gives the buffer back. Else the next read has
/// another one.
///
/// Unchecked: for its event loop only.
final class ReceiveBuffer: @unchecked Sendable {
  /// Nil, not an empty buffer, whose storage all loops share.
  private var spare: ByteBuffer?

  fileprivate func take(_ allocator: ByteBufferAllocator) -> ByteBuffer {
    if var buffer = self.spare.take() {
      let isOurs = buffer.modifyIfUniquelyOwned { buffer in
        buffer.clear()
        return buffer.writableBytes == GatewayLimits.readBytes
      }
      if isOurs == true { return buffer }
    }
    return allocator.buffer(capacity: GatewayLimits.readBytes)
  }

  func giveBack(_ buffer: consuming ByteBuffer) { self.spare = buffer }
}

/// Has a WebSocket read into the buffer of its event loop, and leaves it none of its own.
///
/// Until the upgrade each read has a small buffer of its own, since the parser of HTTP keeps what it is given until the
/// request has come whole.
///
/// What NIO's own allocators make stays with the channel: 512 bytes at least for as long as it lives, to be read into
/// again. The one that it keeps in any case is the first, which is as small as may be. That holds while
/// ``GatewayLimits/readsPerTurn`` is 1.
///
/// Small enough itself for the channel to have no allocation for it.
struct ReceiveBuffers: RecvByteBufferAllocator {
  private let shared: ReceiveBuffer?
  private var isFirst: Bool

  /// For a socket that is opened.
  init() {
    self.shared = nil
    self.isFirst = true
  }

  /// For one that is a WebSocket now.
  init(_ shared: ReceiveBuffer) {
    self.shared = shared
    self.isFirst = false
  }

  func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
    if let shared { return shared.take(allocator) }
    return allocator.buffer(
      capacity: self.isFirst
        ? GatewayLimits.keptReceiveBufferBytes : GatewayLimits.openingReadBytes)
  }

  /// - Returns: true always: NIO reads into a buffer again only if the next is not said to be larger.
  mutating func record(actualReadBytes: Int) -> Bool {
    self.isFirst = false
    return true
  }
}
