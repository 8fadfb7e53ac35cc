/// What one of several servers gets of a batch that is taken apart.
struct BatchShare {
  private(set) var batch = RedisBatch()
  /// Where its commands stand in the whole batch.
  private(set) var places: [Range<Int>] = []

  /// Nothing yet. What the whole batch asks of replicas is asked behind each share.
  init(of whole: RedisBatch) {
    self.batch.confirmation = whole.confirmation
    self.batch.isBlocking = whole.isBlocking
  }

  /// Adds commands that stand behind those that it has.
  mutating func add(_ commands: Range<Int>, of whole: RedisBatch) {
    self.batch.append(commands, of: whole)
    if let last = self.places.last, last.upperBound == commands.lowerBound {
      self.places[self.places.count - 1] = last.lowerBound..<commands.upperBound
    } else {
      self.places.append(commands)
    }
  }
}

/// What became of the commands of a batch that was taken apart, put together again in its order.
struct BatchAnswers {
  private let count: Int
  private var answers: [RedisReplies.Answer?] = []
  private var unsettled: Int

  /// Nothing is certain yet of `count` commands.
  init(count: Int) {
    self.count = count
    self.unsettled = count
  }

  /// What became of some commands is certain.
  ///
  /// - Returns: all replies, with the last.
  mutating func settle(
    _ commands: Range<Int>, _ answers: [RedisReplies.Answer]
  ) -> RedisReplies? {
    if self.answers.isEmpty { self.answers = Array(repeating: nil, count: self.count) }
    for (command, answer) in zip(commands, answers) {
      assert(self.answers[command] == nil, "a command has two answers")
      self.answers[command] = answer
    }
    self.unsettled -= commands.count
    return self.unsettled == 0 ? RedisReplies(self.answers.map { $0! }) : nil
  }
}
