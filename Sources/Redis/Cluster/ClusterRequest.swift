import NIOCore

/// A batch under way in a cluster.
///
/// On its client's event loop only.
final class ClusterRequest {
  let batch: RedisBatch
  let timeout: TimeAmount
  /// No attempt begins after it.
  let deadline: NIODeadline
  /// Its place in the order of submission.
  let order: UInt64
  private let completion: (RedisReplies) -> Void
  private var answers: BatchAnswers

  init(
    _ batch: RedisBatch, timeout: TimeAmount, order: UInt64,
    completion: @escaping (RedisReplies) -> Void
  ) {
    self.batch = batch
    self.timeout = timeout
    self.deadline = .now() + timeout
    self.order = order
    self.completion = completion
    self.answers = BatchAnswers(count: batch.count)
  }

  /// All replies are there, in order.
  func complete(_ replies: RedisReplies) { self.completion(replies) }

  /// What became of some commands is certain. Completes with the last.
  func settle(_ commands: Range<Int>, _ answers: [RedisReplies.Answer]) {
    if let replies = self.answers.settle(commands, answers) { self.completion(replies) }
  }

  /// They have failed.
  func settle(_ commands: Range<Int>, failed error: RedisError) {
    self.settle(commands, commands.map { _ in .failure(error) })
  }
}
