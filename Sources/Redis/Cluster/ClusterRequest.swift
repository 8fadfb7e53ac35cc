import NIOCore

/// A batch under way in a cluster.
///
/// On its client's event loop only.
final class ClusterRequest {
  let batch: RedisBatch
  let timeout: TimeAmount
  /// No attempt begins after this time.
  let deadline: NIODeadline
  /// Position in the order of submission.
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

  /// Reports all replies, in order.
  func settle(_ replies: RedisReplies) { self.onSettled(0..<self.batch.count, replies) }

  func settle(_ commands: Range<Int>, _ answers: [RedisReplies.Answer]) {
    self.onSettled(commands, RedisReplies(answers))
  }

  func settle(_ commands: Range<Int>, failed error: RedisError) {
    self.onSettled(commands, .failed(commands.count, error))
  }
}
