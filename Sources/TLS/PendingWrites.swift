import NIOCore

/// Writes that are not encrypted yet, in order, with the promise of each.
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

  /// Marks what was written so far as flushed.
  mutating func mark() { self.writes.mark() }

  var hasFlushed: Bool { self.writes.hasMark }

  /// The oldest flushed write.
  mutating func popFlushed() -> Write? {
    guard self.writes.hasMark else { return nil }
    let write = self.writes.removeFirst()
    self.byteCount -= write.plaintext.readableBytes
    return write
  }

  /// Bytes of plaintext that are flushed.
  var flushedByteCount: Int {
    guard let mark = self.writes.markedElementIndex else { return 0 }
    return self.writes[self.writes.startIndex...mark].reduce(0) { $0 + $1.plaintext.readableBytes }
  }

  /// Drops all writes, and returns their promises: to be failed once nothing here changes.
  mutating func removeAll() -> [EventLoopPromise<Void>] {
    var promises: [EventLoopPromise<Void>] = []
    while let write = self.writes.popFirst() {
      if let promise = write.promise { promises.append(promise) }
    }
    self.byteCount = 0
    return promises
  }
}
