/// A string of a reply that keeps its batch's replies alive, so that it can outlast the cursor.
@usableFromInline
package struct ReplyBytes: Sendable {
  private let arena: ReplyArena
  /// Location in the arena, which does not change once it was handed over.
  private let bytes: Range<Int>

  init(arena: ReplyArena, bytes: Range<Int>) {
    self.arena = arena
    self.bytes = bytes
  }

  /// In bytes.
  package var count: Int { self.bytes.count }

  /// A part of the string; `range` counts from the string's start.
  package subscript(range: Range<Int>) -> ReplyBytes {
    precondition(range.lowerBound >= 0 && range.upperBound <= self.count)
    let start = self.bytes.lowerBound
    return ReplyBytes(
      arena: self.arena, bytes: start + range.lowerBound..<start + range.upperBound)
  }

  /// Calls `body` with the bytes, which are valid during the call.
  ///
  /// Inlined, since it is called for each message from other modules, where it would not be specialized.
  @inlinable
  package func withUnsafeBytes<R, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    try body(self.raw)
  }

  /// Valid as long as this value is kept.
  @usableFromInline
  var raw: UnsafeRawBufferPointer { self.arena.bytes(in: self.bytes) }
}
