import NIOCore

/// The received bytes that the decoder has not turned into events yet, and the care for their
/// storage: taken over and sliced where that is possible, copied once where it is not, and let go
/// when empty.
struct UnreadBytes: Sendable {
  /// Nil, not an empty buffer, when there is nothing: all empty buffers share one storage object,
  /// and event loops would contend for its reference count.
  private var buffer: ByteBuffer?

  /// Bytes at the front that are whole frames with payloads already unmasked.
  private var unmaskedBytes = 0

  var count: Int { buffer?.readableBytes ?? 0 }

  /// Adds received bytes: takes the buffer over when there are none, and copies otherwise.
  mutating func append(_ bytes: consuming ByteBuffer) {
    guard bytes.readableBytes > 0 else { return }
    guard var unread = buffer.take() else {
      buffer = bytes
      return
    }
    let fits = unread.modifyIfUniquelyOwned { $0.writableBytes >= bytes.readableBytes } ?? false
    if !fits {
      unread = unread.copyOfReadableBytes(extraCapacity: bytes.readableBytes)
    }
    unread.writeBuffer(&bytes)
    buffer = unread
  }

  /// The header of the frame at the front; nil if it is incomplete.
  func header(role: WebSocketRole) throws(WebSocketError) -> WebSocketFrameHeader? {
    guard let buffer else { return nil }
    return try WebSocketFrameHeader(parsing: buffer.readableBytesSpan, at: 0, role: role)
  }

  /// Takes the frame at the front, which must be there whole, and returns its payload unmasked, as
  /// a slice of the storage.
  mutating func takePayload(of header: WebSocketFrameHeader) -> ByteBuffer {
    precondition(count >= header.frameBytes, "the frame is not there whole")
    if header.maskKey != nil {
      if unmaskedBytes == 0 { unmaskWholeFrames() }
      unmaskedBytes -= header.frameBytes
    }
    buffer!.moveReaderIndex(forwardBy: header.headerBytes)
    let payload = buffer!.readSlice(length: header.payloadBytes)!
    if count == 0 { buffer = nil }
    return payload
  }

  /// Unmasks every frame that is there whole, before the first slice of them is given away.
  ///
  /// Once somebody holds a slice, the storage is shared and a write to it copies all of it:
  /// unmasking frame by frame would copy the rest of a full buffer for each small message in it.
  /// Done all at once, there is at most one copy, and that only if the storage is shared from the
  /// start, as it is with the pool that a NIO socket channel reads into.
  private mutating func unmaskWholeFrames() {
    guard var unread = buffer.take() else { return }
    if unread.modifyIfUniquelyOwned({ _ in true }) == nil {
      unread = unread.copyOfReadableBytes(extraCapacity: 0)
    }
    unmaskedBytes = unread.withUnsafeMutableReadableBytes { Self.unmaskWholeFrames($0) }
    buffer = unread
  }

  /// Unmasks every frame that is in `bytes` whole, from the first on, and returns where they end.
  ///
  /// A header that is wrong ends the walk; the decoder meets the error when it reads that far. The
  /// role is the server's, as only its peer masks.
  private static func unmaskWholeFrames(_ bytes: UnsafeMutableRawBufferPointer) -> Int {
    var end = 0
    while let header = try? WebSocketFrameHeader(
      parsing: UnsafeRawBufferPointer(bytes).bytes, at: end, role: .server),
      header.payloadBytes <= bytes.count - end - header.headerBytes
    {
      let payloadStart = end + header.headerBytes
      end += header.frameBytes
      if let key = header.maskKey {
        WebSocketMask.apply(key, to: .init(rebasing: bytes[payloadStart..<end]))
      }
    }
    return end
  }

  /// Moves the few bytes of an unfinished frame out of storage that is much too big for them, so
  /// that a peer which stops in mid-frame does not pin a whole receive buffer.
  mutating func shrink() {
    guard let unread = buffer, unread.storageCapacity > WebSocketLimits.smallStorageBytes,
      unread.storageCapacity / WebSocketLimits.sparseStorageFactor > unread.readableBytes
    else { return }
    buffer = unread.copyOfReadableBytes(extraCapacity: 0)
  }

  /// Frees all storage.
  mutating func removeAll() {
    buffer = nil
    unmaskedBytes = 0
  }
}

extension ByteBuffer {
  /// The readable bytes in storage of their own, with room for `extraCapacity` more.
  fileprivate func copyOfReadableBytes(extraCapacity: Int) -> ByteBuffer {
    var copy = ByteBufferAllocator().buffer(capacity: readableBytes + extraCapacity)
    copy.writeImmutableBuffer(self)
    return copy
  }
}
