import NIOCore

/// What was written and not yet encrypted, in order, and who waits for each write.
struct PendingWrites {
  struct Write {
    let plaintext: ByteBuffer
    let promise: EventLoopPromise<Void>?
  }

  private var writes = MarkedCircularBuffer<Write>(initialCapacity: 8)
  private(set) var byteCount = 0

  mutating func append(_ plaintext: ByteBuffer, promise: EventLoopPromise<Void>?) {
    self.byteCount += plaintext.readableBytes
    self.writes.append(Write(plaintext: plaintext, promise: promise))
  }

  /// A flush: what was written so far may leave.
  mutating func mark() { self.writes.mark() }

  var hasFlushed: Bool { self.writes.hasMark }

  /// The next write that may leave.
  mutating func popFlushed() -> Write? {
    guard self.writes.hasMark else { return nil }
    let write = self.writes.removeFirst()
    self.byteCount -= write.plaintext.readableBytes
    return write
  }

  /// How many bytes may leave.
  var flushedByteCount: Int {
    guard let mark = self.writes.markedElementIndex else { return 0 }
    return self.writes[self.writes.startIndex...mark].reduce(0) { $0 + $1.plaintext.readableBytes }
  }

  /// Lets go of all writes, and gives back who waits for them: to be told once nothing here changes.
  mutating func removeAll() -> [EventLoopPromise<Void>] {
    var promises: [EventLoopPromise<Void>] = []
    while let write = self.writes.popFirst() {
      if let promise = write.promise { promises.append(promise) }
    }
    self.byteCount = 0
    return promises
  }
}
