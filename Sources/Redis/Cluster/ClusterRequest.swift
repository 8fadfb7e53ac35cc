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
  private let onSettled: (Range<Int>, RedisReplies) -> Void

  init(
    _ batch: RedisBatch, timeout: TimeAmount, order: UInt64,
    onSettled: @escaping (Range<Int>, RedisReplies) -> Void
  ) {
    self.batch = batch
    self.timeout = timeout
    self.deadline = .now() + timeout
    self.order = order
    self.onSettled = onSettled
  }

  /// All replies are there, in order.
  func settle(_ replies: RedisReplies) { self.onSettled(0..<self.batch.count, replies) }

  /// What became of some commands is certain.
  func settle(_ commands: Range<Int>, _ answers: [RedisReplies.Answer]) {
    self.onSettled(commands, RedisReplies(answers))
  }

  /// They have failed.
  func settle(_ commands: Range<Int>, failed error: RedisError) {
    self.onSettled(commands, .failed(commands.count, error))
  }
}
