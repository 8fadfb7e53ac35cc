import CHiredis

/// The replies of one batch: a node per value in the order of arrival, and the bytes of all strings
/// in one block. See `CHiredis/shim.h` for why.
///
/// It alone owns the C allocation: made in `init`, freed in `deinit`.
///
/// Unchecked: a connection fills it on its event loop, then hands it over; nothing changes it after.
final class ReplyArena: @unchecked Sendable {
  let storage: UnsafeMutablePointer<connect_arena>
  /// Index of each reply's first node.
  private(set) var roots: [Int] = []
  /// Index after the last node of the last whole reply.
  private var end = 0
  /// Whether any reply is an error.
  private(set) var hasErrors = false

  init(expecting replies: Int) {
    guard let storage = connect_arena_create() else {
      fatalError("out of memory: no room for the replies of \(replies) commands")
    }
    self.storage = storage
    self.roots.reserveCapacity(replies)
  }

  deinit { connect_arena_destroy(self.storage) }

  var nodeCount: Int { self.storage.pointee.node_count }

  func completeReply(startingAt node: Int) {
    self.roots.append(node)
    self.end = self.nodeCount
    if self.isError(node) { self.hasErrors = true }
  }

  func nodes(ofReply index: Int) -> Range<Int> {
    self.roots[index]..<(index + 1 < self.roots.count ? self.roots[index + 1] : self.end)
  }

  /// `index` must exist: a ``ReplyCursor`` asks for none outside its reply.
  func node(_ index: Int) -> connect_node {
    assert(index < self.nodeCount, "read past the end of a reply")
    return self.storage.pointee.nodes[index]
  }

  func isError(_ index: Int) -> Bool { self.node(index).type == REDIS_REPLY_ERROR }

  /// The bytes of a string node. They live as long as the arena.
  func bytes(of node: connect_node) -> UnsafeRawBufferPointer {
    self.bytes(in: Int(node.value)..<Int(node.value) + Int(node.count))
  }

  /// A range of the bytes of all strings. They live as long as the arena.
  func bytes(in range: Range<Int>) -> UnsafeRawBufferPointer {
    guard !range.isEmpty else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return UnsafeRawBufferPointer(
      start: self.storage.pointee.bytes + range.lowerBound, count: range.count)
  }
}
