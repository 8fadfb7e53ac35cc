import ArgumentParser
import ConnectProtocol
import Inspection
import MessageBus
import Redis
import Settings

struct InspectDeadLettersCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "deadletters",
    abstract: "What could not be processed: list, show, requeue or drop it.",
    subcommands: [
      ListDeadLettersCommand.self, ShowDeadLetterCommand.self, RequeueDeadLettersCommand.self,
      DropDeadLettersCommand.self,
    ],
    defaultSubcommand: ListDeadLettersCommand.self)
}

struct ListDeadLettersCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "The newest dead letters, newest first (the default).")

  static let defaultLimit = 50
  /// The most dead letters to show at once; Redis keeps about as many.
  static let maximumLimit = 100_000

  @Option(
    help: "How many at most (default: \(Self.defaultLimit)).",
    transform: ArgumentRules.wholeNumber(1...Self.maximumLimit))
  var limit = Self.defaultLimit

  @OptionGroup var options: InspectOptions

  func run() async throws {
    try await self.exiting {
      try await self.options.show { (inspector) throws(RedisError) in
        let total = try await inspector.deadLetterCount()
        let (letters, now) = try await inspector.deadLetters(limit: self.limit)
        return DeadLettersReport(
          deadLetters: letters.map { DeadLetterReport($0, at: now) }, total: total)
      } text: {
        $0.text(width: $1)
      }
    }
  }
}

struct ShowDeadLetterCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "One dead letter with all that is in it.")

  @Argument(help: "Its offset, as `list` shows it.", transform: ArgumentRules.offset)
  var offset: Offset

  @OptionGroup var options: InspectOptions

  func run() async throws {
    try await self.exiting {
      var isFound = false
      try await self.options.inspect { (inspector) throws(RedisError) in
        guard let letter = try await inspector.deadLetter(at: self.offset) else { return }
        isFound = true
        let now = try await inspector.deadLetters(limit: 1).atMilliseconds
        self.options.print(DeadLetterReport(letter, at: now)) { report, _ in report.text }
      }
      if !isFound { throw Failure(.running, "there is no dead letter \(self.offset)") }
    }
  }
}

/// The dead letters to act on.
struct DeadLetterChoice: ParsableArguments {
  @Argument(help: "Its offset, as `list` shows it.", transform: ArgumentRules.offset)
  var offset: Offset?

  @Flag(help: "All that are there now.")
  var all = false

  func validate() throws {
    if self.all == (self.offset != nil) {
      throw ValidationError("give either an OFFSET, as `list` shows it, or --all")
    }
  }
}

struct RequeueDeadLettersCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "requeue",
    abstract: "Puts dead letters on the bus again, to be processed like any message.",
    discussion: """
      Each goes to its recipient's partition, marked as a repeat, so that it is not stored twice if \
      it was stored after all, and is then deleted here. What this release cannot read stays. With \
      --all, the oldest go first.
      """)

  @OptionGroup var choice: DeadLetterChoice
  @OptionGroup var options: InspectOptions

  func run() async throws {
    try await self.exiting {
      var report = RequeueReport()
      let result: Result<Void, Failure>
      do throws(Failure) {
        try await self.options.inspect { (inspector) throws(RedisError) in
          try await self.requeue(inspector, &report)
        }
        result = .success(())
      } catch {
        result = .failure(error)
      }
      // Whatever went wrong: what was done is said.
      self.options.print(report) { report, _ in report.text }
      try result.get()
      if let offset = self.choice.offset, report.requeued.isEmpty {
        let isThere = !report.kept.isEmpty
        throw Failure(
          .running, isThere ? "it was not requeued" : "there is no dead letter \(offset)")
      }
      if !report.kept.isEmpty { throw Failure(.running, "not all were requeued: see above") }
    }
  }

  private func requeue(
    _ inspector: Inspector, _ report: inout RequeueReport
  ) async throws(RedisError) {
    if let offset = self.choice.offset {
      guard let letter = try await inspector.deadLetter(at: offset) else { return }
      return report.add(try await inspector.requeue(letter), letter)
    }
    // What dies again meanwhile is not requeued again.
    guard let last = try await inspector.deadLetters(limit: 1).letters.first?.offset else { return }
    var done = Offset.zero
    while true {
      let letters = try await inspector.deadLetters(after: done, through: last)
      guard let end = letters.last?.offset else { return }
      for letter in letters { report.add(try await inspector.requeue(letter), letter) }
      done = end
    }
  }
}

struct DropDeadLettersCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drop", abstract: "Deletes dead letters for good.")

  @OptionGroup var choice: DeadLetterChoice
  @OptionGroup var options: InspectOptions

  func run() async throws {
    try await self.exiting {
      var dropped = 0
      try await self.options.inspect { (inspector) throws(RedisError) in
        if let offset = self.choice.offset {
          dropped = try await inspector.drop(offset) ? 1 : 0
        } else if let last = try await inspector.deadLetters(limit: 1).letters.first?.offset {
          dropped = try await inspector.dropAll(through: last)
        }
      }
      if let offset = self.choice.offset, dropped == 0 {
        throw Failure(.running, "there is no dead letter \(offset)")
      }
      self.options.print(DropReport(dropped: dropped)) { report, _ in
        "dropped \(Quantity.count(report.dropped, "dead letter"))\n"
      }
    }
  }
}

struct DropReport: Encodable {
  let dropped: Int
}
