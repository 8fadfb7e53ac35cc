/// The replies to one batch, in the batch's order.
///
/// When the connection was lost in between, the first ones are there and the rest have failed.
public struct RedisReplies: Sendable {
  private let arena: ReplyArena?
  private let failure: RedisError?
  /// The number of commands in the batch.
  public let count: Int

  init(arena: ReplyArena?, count: Int, failure: RedisError?) {
    self.arena = arena
    self.count = count
    self.failure = failure
  }

  /// A cursor on reply `index`.
  ///
  /// - Throws: what went wrong with that command: Redis's own error reply, or that none came.
  public func cursor(_ index: Int) throws(RedisError) -> ReplyCursor {
    precondition(index < self.count, "the batch had fewer commands")
    guard let arena = self.arena, index < arena.roots.count else {
      throw self.failure ?? .unanswered("the connection was closed")
    }
    let cursor = ReplyCursor(arena: arena, index: arena.roots[index])
    if let error = cursor.error { throw .server(error) }
    return cursor
  }

  /// Checks that no command has failed, for batches whose values do not matter.
  public func check() throws(RedisError) {
    for index in 0..<self.count { _ = try self.cursor(index) }
  }
}
