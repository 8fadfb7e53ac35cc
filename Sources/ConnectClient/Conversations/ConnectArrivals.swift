import ConnectProtocol

/// Something that has arrived at a client that keeps conversations, for programs that do something with each
/// message: bots, notifications, a terminal. It is in its conversation already.
public enum ConnectArrival: Hashable, Sendable {
  /// A message of a peer's, or of the user's from this or another device, in the order of the mailbox.
  case message(Conversation.Entry)
  /// The server does not take a message of the user's.
  case rejected(Conversation.Entry)
  /// A message of the user's that the server had taken could not be stored, so its recipient does not get it. It may
  /// be one of another device's, or of an earlier run's, which no conversation holds.
  case failed(MessageID, to: UserName, Conversation.Failure)
}

/// What arrives, in order, for one consumer, and each arrival once in the life of a client.
///
/// Asking for the next one acks the one before: what was not handled when a program ends comes again in the next run.
/// So what still waits when the client ends is not given any more, but for what is in no mailbox.
/// A consumer that is slower than the network slows the network down, so while it handles an arrival it must not wait
/// for what only a further one brings, such as the answer to a message.
public struct ConnectArrivals: AsyncSequence, Sendable {
  /// What arrives.
  public typealias Element = ConnectArrival
  /// Nothing fails.
  public typealias Failure = Never

  let keeper: ConversationKeeper

  /// The one iterator.
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(keeper: self.keeper) }

  /// Gives one arrival after the other.
  public struct AsyncIterator: AsyncIteratorProtocol {
    /// Nothing fails.
    public typealias Failure = Never

    let keeper: ConversationKeeper

    /// The next one; nil when the client has ended, or the task is cancelled.
    public mutating func next() async -> ConnectArrival? { await self.keeper.nextArrival() }

    /// The next one; nil when the client has ended, or the task is cancelled.
    public mutating func next(
      isolation actor: isolated (any Actor)?
    ) async throws(Never) -> ConnectArrival? { await self.keeper.nextArrival() }
  }
}
