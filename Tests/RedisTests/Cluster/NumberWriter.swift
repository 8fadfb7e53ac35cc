import NIOCore
import TestSupport

@testable import Redis

/// Writes 0, 1, 2, … to lists, with several batches under way at once and transactions among them,
/// and keeps account of what each was answered.
///
/// Unchecked: all state is touched on the client's event loop only.
final class NumberWriter: @unchecked Sendable {
  enum Outcome: Equatable {
    case acknowledged
    case perhaps
    case refused
  }

  private let client: any RedisClient
  private let keys: [RedisKey]
  private let confirmation: RedisBatch.Confirmation?
  private let timeout: TimeAmount
  private var next: [Int]
  private var outcomes: [[Outcome?]]
  private var mistakes: [String] = []
  private var errors: Set<String> = []
  private var completed = 0
  private var underWay = 0
  private var isStopping = false
  private let ended: EventLoopPromise<Void>

  init(
    _ client: any RedisClient, keys: [RedisKey], confirmation: RedisBatch.Confirmation? = nil,
    timeout: TimeAmount = .seconds(20)
  ) {
    self.client = client
    self.keys = keys
    self.confirmation = confirmation
    self.timeout = timeout
    self.next = keys.map { _ in 0 }
    self.outcomes = keys.map { _ in [] }
    self.ended = client.eventLoop.makePromise()
  }

  /// The outcome.
  struct Report: Sendable {
    /// For each key, for each number.
    let outcomes: [[Outcome]]
    let mistakes: [String]
    /// Descriptions of all errors.
    let errors: Set<String>

    var isAllAcknowledged: Bool {
      self.outcomes.allSatisfy { $0.allSatisfy { $0 == .acknowledged } }
    }
  }

  /// Writes while `body` runs, in `depth` batches at once.
  func run(depth: Int = 8, while body: () async throws -> Void) async throws -> Report {
    try await self.client.eventLoop.submit { for _ in 0..<depth { self.submit() } }.get()
    do { try await body() } catch {
      try await self.stop()
      throw error
    }
    return try await self.stop()
  }

  /// The number of batches that were completed so far.
  func completedBatches() async throws -> Int {
    try await self.client.eventLoop.submit { self.completed }.get()
  }

  /// Waits until as many more batches are completed.
  func progress(by batches: Int = 20) async throws {
    let before = try await self.completedBatches()
    _ = try await eventually { try await self.completedBatches() >= before + batches }
  }

  @discardableResult
  private func stop() async throws -> Report {
    try await self.client.eventLoop.flatSubmit {
      self.isStopping = true
      if self.underWay == 0 { self.ended.succeed() }
      return self.ended.futureResult
    }.get()
    return try await self.client.eventLoop.submit {
      let missing = self.outcomes.joined().count { $0 == nil }
      if missing > 0 { self.mistakes.append("\(missing) commands were never answered") }
      return Report(
        outcomes: self.outcomes.map { $0.map { $0 ?? .perhaps } }, mistakes: self.mistakes,
        errors: self.errors)
    }.get()
  }

  private func submit() {
    var batch = RedisBatch()
    batch.confirmation = self.confirmation
    var places: [(command: Int, key: Int, numbers: Range<Int>)] = []
    var reads: [(command: Int, key: Int, atLeast: Int)] = []
    for _ in 0..<3 {
      let key = Int.random(in: self.keys.indices)
      let (list, last) = (self.keys[key], RedisKey("\(self.keys[key]):last"))
      let first = self.next[key]
      if Int.random(in: 0..<3) == 0 {
        self.next[key] += 2
        batch.transaction(on: list) { batch in
          batch.append(key: list, "RPUSH", "\(list)", "\(first)")
          batch.append(key: list, "RPUSH", "\(list)", "\(first + 1)")
        }
        places.append((batch.count - 1, key, first..<first + 2))
      } else {
        self.next[key] += 1
        batch.append(key: list, "RPUSH", "\(list)", "\(first)")
        places.append((batch.count - 1, key, first..<first + 1))
        batch.append(key: last, "SET", "\(last)", "\(first)")
        batch.append(key: last, "GET", "\(last)", isRepeatable: true)
        reads.append((batch.count - 1, key, first))
      }
      self.outcomes[key] += Array(repeating: nil, count: self.next[key] - first)
    }
    self.underWay += 1
    var isCompleted = false
    self.client.submit(batch, timeout: self.timeout) { replies in
      if isCompleted { self.mistakes.append("a batch was completed twice") }
      isCompleted = true
      self.note(replies, places, reads)
      self.goOn(isWell: replies.failure(0) == nil)
    }
  }

  private func note(
    _ replies: RedisReplies, _ places: [(command: Int, key: Int, numbers: Range<Int>)],
    _ reads: [(command: Int, key: Int, atLeast: Int)]
  ) {
    for place in places {
      let outcome: Outcome
      do throws(RedisError) {
        try replies.checkConfirmed(place.command)
        outcome = .acknowledged
      } catch {
        self.errors.insert("\(error)")
        outcome = error.mayHaveBeenExecuted ? .perhaps : .refused
      }
      for number in place.numbers { self.outcomes[place.key][number] = outcome }
    }
    for read in reads where replies.failure(read.command - 1) == nil {
      guard var cursor = try? replies.cursor(read.command) else { continue }
      let seen = (try? cursor.string()).flatMap { Int($0) } ?? -1
      if seen < read.atLeast {
        self.mistakes.append("\(self.keys[read.key]) was read as \(seen) behind \(read.atLeast)")
      }
    }
  }

  private func goOn(isWell: Bool) {
    self.completed += 1
    self.underWay -= 1
    guard !self.isStopping else {
      if self.underWay == 0 { self.ended.succeed() }
      return
    }
    // Not at once, so that failures that come at once do not fill the event loop.
    let wait = TimeAmount.milliseconds(isWell ? 0 : 10)
    self.underWay += 1
    self.client.eventLoop.assumeIsolated().scheduleTask(in: wait) {
      self.underWay -= 1
      if !self.isStopping {
        self.submit()
      } else if self.underWay == 0 {
        self.ended.succeed()
      }
    }
  }

  /// The errors in the lists, given what was answered; empty if there are none.
  func check(_ report: Report) async throws -> [String] {
    var wrong = report.mistakes
    for (index, key) in self.keys.enumerated() {
      let values = try await self.client.execute(key: key, "LRANGE", "\(key)", "0", "-1").trees
      guard case .array(let elements)? = values.first else { return ["\(key): \(values)"] }
      let numbers = elements.compactMap { $0.string.flatMap { Int($0) } }
      if numbers != numbers.sorted() { wrong.append("\(key) is not in order") }
      let present = Set(numbers)
      if present.count != numbers.count { wrong.append("\(key) has numbers twice") }
      for (number, outcome) in report.outcomes[index].enumerated() {
        if outcome == .acknowledged, !present.contains(number) {
          wrong.append("\(key) lacks \(number)")
        }
        if outcome == .refused, present.contains(number) {
          wrong.append("\(key) has \(number), which was refused")
        }
      }
    }
    return wrong
  }
}
