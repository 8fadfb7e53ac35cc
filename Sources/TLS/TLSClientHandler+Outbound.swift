import NIOCore

extension TLSClientHandler {
  /// Keeps a write until the next flush, or the first one after the handshake.
  package func write(
    context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?
  ) {
    let plaintext = self.unwrapOutboundIn(data)
    switch self.state.write(
      bytes: plaintext.readableBytes, pendingBytes: self.pending.byteCount)
    {
    case .keep:
      self.pending.append(plaintext, promise: promise)
    case .overflow:
      // It fails with the others.
      self.pending.append(plaintext, promise: promise)
      self.fail(.heldBackTooMuch(limitBytes: TLSLimits.maximumHeldBackBytes), context)
    case .refuse:
      promise?.fail(ChannelError.ioOnClosedChannel)
    }
  }

  package func flush(context: ChannelHandlerContext) {
    self.pending.mark()
    guard self.state.isOpen, let connection = self.connection else { return }
    do throws(TLSFailure) {
      try self.encryptFlushed(connection, context)
      context.flush()
    } catch {
      self.fail(error, context)
    }
  }

  /// Sends what TLS itself has to send.
  func sendCiphertext(_ context: ChannelHandlerContext) {
    guard let connection = self.connection, connection.hasCiphertext else { return }
    var ciphertext = context.channel.allocator.buffer(capacity: 0)
    connection.takeCiphertext(into: &ciphertext)
    context.writeAndFlush(self.wrapOutboundOut(ciphertext), promise: nil)
  }

  /// Writes, without a flush, what TLS itself has to send and the ciphertext of all flushed writes.
  func encryptFlushed(
    _ connection: TLSConnection, _ context: ChannelHandlerContext
  ) throws(TLSFailure) {
    guard self.pending.hasFlushed || connection.hasCiphertext else { return }
    let count = self.pending.flushedByteCount
    let records = count / TLSLimits.recordBytes + 2
    var ciphertext = context.channel.allocator.buffer(
      capacity: count + records * TLSLimits.recordOverheadBytes)
    connection.takeCiphertext(into: &ciphertext)

    var promises: [EventLoopPromise<Void>] = []
    do throws(TLSFailure) {
      // Small writes are gathered here, to share a record: that costs a copy, a record costs more.
      var gathered = ByteBuffer()
      while let write = self.pending.popFlushed() {
        if let promise = write.promise { promises.append(promise) }
        let isLast = !self.pending.hasFlushed
        if gathered.readableBytes + write.plaintext.readableBytes > TLSLimits.recordBytes {
          try Self.encrypt(gathered, connection, into: &ciphertext)
          gathered.clear()
        }
        if gathered.readableBytes == 0,
          isLast || write.plaintext.readableBytes > TLSLimits.recordBytes
        {
          try Self.encrypt(write.plaintext, connection, into: &ciphertext)
        } else {
          gathered.writeImmutableBuffer(write.plaintext)
        }
      }
      try Self.encrypt(gathered, connection, into: &ciphertext)
    } catch {
      // First the state, so that whoever is told and writes again is refused.
      self.fail(error, context)
      for promise in promises { promise.fail(TLSError.connection(self.peer, error)) }
      throw error
    }
    context.write(
      self.wrapOutboundOut(ciphertext), promise: Self.one(for: promises, context.eventLoop))
  }

  private static func encrypt(
    _ plaintext: ByteBuffer, _ connection: TLSConnection, into ciphertext: inout ByteBuffer
  ) throws(TLSFailure) {
    try plaintext.withUnsafeReadableBytes { (raw) throws(TLSFailure) in
      try connection.encrypt(raw, into: &ciphertext)
    }
  }

  /// A promise that completes all the others.
  private static func one(
    for promises: [EventLoopPromise<Void>], _ eventLoop: any EventLoop
  ) -> EventLoopPromise<Void>? {
    guard promises.count > 1 else { return promises.first }
    let one = eventLoop.makePromise(of: Void.self)
    one.futureResult.whenComplete { result in
      for promise in promises { promise.completeWith(result) }
    }
    return one
  }
}
