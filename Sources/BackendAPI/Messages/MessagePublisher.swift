import ConnectProtocol
import MessageBus
import NIOCore
import Redis

/// Puts messages of backends on the bus, from one event loop.
///
/// Each is marked as a possible repeat, since a backend asks again when it got no answer: messaging
/// then looks whether the recipient has the sender's message already. So there is nothing to
/// remember here, and it does not matter which instance is asked again.
///
/// Unchecked: made on its loop and touched on that loop only.
final class MessagePublisher: @unchecked Sendable {
  let client: any RedisClient
  private let producer: IncomingProducer
  private let promises = PublishTokens<EventLoopPromise<Offset>>()

  init(configuration: BackendAPIConfiguration, client: any RedisClient) {
    self.client = client
    let promises = self.promises
    self.producer = IncomingProducer(
      keys: configuration.keys, client: client, durability: configuration.durability
    ) { token, result in
      promises.take(token).completeWith(result.mapError { $0 as any Error })
    }
  }

  /// Publishes a message. Fails with a `RedisError`.
  ///
  /// - Parameter bytes: what the message was scanned from.
  func publish(_ message: BackendMessage, in bytes: ByteBuffer) -> EventLoopFuture<Offset> {
    let promise = self.client.eventLoop.makePromise(of: Offset.self)
    var flags: Envelope.Flags = [.retry]
    if message.receipt { flags.insert(.receipt) }
    if message.copy { flags.insert(.copy) }
    if message.quiet { flags.insert(.quiet) }
    bytes.withUnsafeReadableBytes { raw in
      self.producer.publish(
        .message(
          from: message.from, to: message.to, id: message.id, flags: flags,
          body: UnsafeRawBufferPointer(rebasing: raw[message.body])),
        token: self.promises.add(promise))
    }
    return promise.futureResult
  }
}
