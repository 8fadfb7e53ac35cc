/// The share of one server in a batch that is split among several.
struct BatchShare {
  private(set) var batch = RedisBatch()
  /// Positions of its commands in the whole batch.
  private(set) var places: [Range<Int>] = []

  /// An empty share. It keeps what the whole batch asks of replicas.
  init(of whole: RedisBatch) {
    self.batch.confirmation = whole.confirmation
    self.batch.isBlocking = whole.isBlocking
  }

  /// Adds commands that come after those already added.
  mutating func add(_ commands: Range<Int>, of whole: RedisBatch) {
    self.batch.append(commands, of: whole)
    if let last = self.places.last, last.upperBound == commands.lowerBound {
      self.places[self.places.count - 1] = last.lowerBound..<commands.upperBound
    } else {
      self.places.append(commands)
    }
  }

  /// Reports the outcome of some of its commands, by their positions in the whole batch.
  func settle(
    _ commands: Range<Int>, _ replies: RedisReplies,
    _ onSettled: (Range<Int>, RedisReplies) -> Void
  ) {
    var start = 0
    for place in self.places {
      let settled = commands.clamped(to: start..<start + place.count)
      if !settled.isEmpty {
        let first = settled.lowerBound - start + place.lowerBound
        onSettled(
          first..<first + settled.count,
          replies.part(
            settled.lowerBound - commands.lowerBound..<settled.upperBound - commands.lowerBound))
      }
      start += place.count
    }
  }
}

/// The replies to a batch that was taken apart, put together again in its order.
///
/// On its client's event loop only.
final class BatchAnswers {
  private let count: Int
  private let completion: (RedisReplies) -> Void
  private var answers: [RedisReplies.Answer?] = []
  private var unsettled: Int

  /// Starts with the outcome of all `count` commands unknown.
  init(count: Int, completion: @escaping (RedisReplies) -> Void) {
    self.count = count
    self.unsettled = count
    self.completion = completion
  }

  /// Records the outcome of some commands. Completes with the last.
  func settle(_ commands: Range<Int>, _ replies: RedisReplies) {
    if commands.count == self.count { return self.completion(replies) }
    if self.answers.isEmpty { self.answers = Array(repeating: nil, count: self.count) }
    for (place, command) in commands.enumerated() {
      assert(self.answers[command] == nil, "a command has two answers")
      self.answers[command] = replies.answer(place)
    }
    self.unsettled -= commands.count
    if self.unsettled == 0 { self.completion(RedisReplies(self.answers.map { $0! })) }
  }
}
