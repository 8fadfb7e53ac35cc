import ConnectProtocol

/// The events of a ``ConnectClient``, in order, for one consumer.
///
/// Asking for the next event acks the one before. A consumer that is slower than the network slows
/// the network down.
public struct ConnectEvents: AsyncSequence, Sendable {
  /// The events are these.
  public typealias Element = ConnectEvent
  /// Nothing fails: what goes wrong is an event.
  public typealias Failure = Never

  let client: ConnectClient

  /// The one iterator.
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(client: self.client) }

  /// Gives one event after the other.
  public struct AsyncIterator: AsyncIteratorProtocol {
    /// Nothing fails.
    public typealias Failure = Never

    let client: ConnectClient
    private var handled: Offset?

    init(client: ConnectClient) { self.client = client }

    /// The next event; nil when the client has ended, or the task is cancelled.
    public mutating func next() async -> ConnectEvent? {
      let event = await self.client.nextEvent(handled: self.handled)
      self.handled = event?.offset
      return event
    }

    /// The next event; nil when the client has ended, or the task is cancelled.
    public mutating func next(
      isolation actor: isolated (any Actor)?
    ) async throws(Never) -> ConnectEvent? {
      let event = await self.client.nextEvent(handled: self.handled)
      self.handled = event?.offset
      return event
    }
  }
}
