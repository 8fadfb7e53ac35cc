/// The replies to one batch, in the batch's order.
///
/// When the connection was lost in between, the first ones are there and the rest have failed.
package struct RedisReplies: Sendable {
  /// Outcome of one command, where a batch was spread over several nodes or repeated in part.
  enum Answer: Sendable {
    /// - Parameter shortfall: why the writes do not count as confirmed; nil if they do.
    case reply(ReplyArena, nodes: Range<Int>, shortfall: RedisError?)
    case failure(RedisError)
  }

  private enum Storage {
    /// Replies in the order of the commands. Commands without a reply failed with `failure`.
    case inOrder(ReplyArena?, failure: RedisError?, shortfall: RedisError?)
    case spread([Answer])
  }

  private let storage: Storage
  package let count: Int

  init(arena: ReplyArena?, count: Int, failure: RedisError?) {
    self.storage = .inOrder(arena, failure: failure, shortfall: nil)
    self.count = count
  }

  init(_ answers: [Answer]) {
    self.storage = .spread(answers)
    self.count = answers.count
  }

  private init(_ storage: Storage, count: Int) {
    self.storage = storage
    self.count = count
  }

  /// Parses the replies to `count` commands from bytes as Redis sends them, for tests.
  package init(parsing bytes: [UInt8], count: Int) throws(RedisError) {
    var reader = ReplyReader()
    let arena = ReplyArena(expecting: count)
    reader.use(arena)
    let failure: RedisError? = bytes.withUnsafeBytes { raw in
      do throws(RedisError) {
        try reader.feed(raw)
        return nil
      } catch {
        return error
      }
    }
    if let failure { throw failure }
    while try reader.next() {}
    self.init(arena: arena, count: count, failure: nil)
  }

  static func failed(_ count: Int, _ error: RedisError) -> RedisReplies {
    RedisReplies(arena: nil, count: count, failure: error)
  }

  /// Whether one server had all commands on one connection, and so has executed those that it answered in the
  /// batch's order: they were not divided, and none had to be sent again.
  package var areInOrder: Bool { if case .inOrder = self.storage { true } else { false } }

  func answer(_ index: Int) -> Answer {
    precondition(index < self.count, "the batch had fewer commands")
    switch self.storage {
    case .spread(let answers):
      return answers[index]
    case .inOrder(let arena, let failure, let shortfall):
      guard let arena, index < arena.roots.count else {
        return .failure(failure ?? .unanswered("the connection was closed"))
      }
      return .reply(arena, nodes: arena.nodes(ofReply: index), shortfall: shortfall)
    }
  }

  func part(_ commands: Range<Int>) -> RedisReplies {
    commands == 0..<self.count ? self : RedisReplies(commands.map { self.answer($0) })
  }

  /// The first matching error reply. Cheap if there is none, which is nearly always.
  func error(where fits: (RedisServerError) -> Bool) -> RedisServerError? {
    if case .inOrder(let arena, _, _) = self.storage, arena?.hasErrors != true { return nil }
    for index in 0..<self.count {
      if let error = self.serverError(index), fits(error) { return error }
    }
    return nil
  }

  /// The error reply to command `index`; nil if it is another reply.
  func serverError(_ index: Int) -> RedisServerError? {
    guard case .reply(let arena, let nodes, _) = self.answer(index),
      arena.isError(nodes.lowerBound)
    else { return nil }
    return ReplyCursor(arena: arena, nodes: nodes).error
  }

  /// A cursor on reply `index`.
  ///
  /// - Throws: what went wrong with that command: Redis's own error reply, or that none came.
  func cursor(_ index: Int) throws(RedisError) -> ReplyCursor {
    switch self.answer(index) {
    case .failure(let error):
      throw error
    case .reply(let arena, let nodes, _):
      let cursor = ReplyCursor(arena: arena, nodes: nodes)
      if let error = cursor.error { throw .server(error) }
      return cursor
    }
  }

  /// Throws if a command failed, for batches whose values do not matter.
  package func check() throws(RedisError) {
    for index in 0..<self.count { _ = try self.cursor(index) }
  }

  /// As for a ``Reply``.
  func checkConfirmed(_ index: Int) throws(RedisError) {
    _ = try self.cursor(index)
    if case .reply(_, _, let shortfall?) = self.answer(index) { throw shortfall }
  }

  /// Why the writes of a whole batch do not count as confirmed; nil if they do, or if no confirmation
  /// was asked for.
  var shortfall: RedisError? {
    if case .inOrder(_, _, let shortfall) = self.storage { shortfall } else { nil }
  }

  /// Removes the last reply, which is that to `WAIT`, and keeps what it means.
  func takingConfirmation(_ wanted: RedisBatch.Confirmation) -> RedisReplies {
    guard case .inOrder(let arena, let failure, _) = self.storage else { return self }
    return RedisReplies(
      .inOrder(arena, failure: failure, shortfall: self.shortfall(of: wanted)),
      count: self.count - 1)
  }

  private func shortfall(of wanted: RedisBatch.Confirmation) -> RedisError? {
    do throws(RedisError) {
      var cursor = try self.cursor(self.count - 1)
      let replicas = try cursor.integer()
      guard replicas < wanted.replicas else { return nil }
      return .unconfirmed(
        "\(replicas) of the \(wanted.replicas) replicas asked for had it within "
          + "\(wanted.milliseconds) ms; see to the replicas, or lower --durability")
    } catch .server(let error) {
      // Only the question is refused: what it asks about is executed.
      return .unconfirmed(
        "Redis refused WAIT: \(error); see to it that the user may execute it on a primary, or "
          + "lower --durability")
    } catch {
      return error.mayHaveBeenExecuted ? error : .unanswered("\(error)")
    }
  }
}
