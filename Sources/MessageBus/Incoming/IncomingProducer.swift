import ConnectProtocol
import NIOCore
import Redis

/// Publishes to the `incoming` partitions, from one event loop.
///
/// What is published within one turn of the loop goes out as one pipeline. Results come back in the
/// order of publishing. Nothing is sent twice: a result that may have been executed says so, and
/// only the client that sent the message decides about a repeat, which it marks.
public final class IncomingProducer<Token> {
  private let keys: Keys
  private let client: any RedisClient
  private let eventLoop: NIOIsolatedEventLoop
  private let onResult: (Token, Result<Offset, RedisError>) -> Void
  private var batch = RedisBatch()
  private var tokens: [Token] = []
  /// What was published and has no result yet.
  public private(set) var unanswered = 0

  /// - Parameter onResult: called on the client's loop, once for each `publish`.
  public init(
    keys: Keys, client: any RedisClient,
    onResult: @escaping (Token, Result<Offset, RedisError>) -> Void
  ) {
    self.keys = keys
    self.client = client
    self.eventLoop = client.eventLoop.assumeIsolated()
    self.onResult = onResult
  }

  /// Publishes what the draft describes. Its bytes are copied before this returns.
  public func publish(_ draft: Envelope.Draft, token: Token) {
    if self.batch.isEmpty { self.eventLoop.execute { self.flush() } }
    let stream = self.keys.incoming(self.keys.partitions.partition(for: draft.to))
    self.batch.addEntry(to: stream, count: draft.byteCount) { draft.write(to: $0) }
    self.tokens.append(token)
    self.unanswered += 1
  }

  private func flush() {
    let tokens = self.tokens
    let batch = self.batch
    self.batch = RedisBatch()
    self.tokens = []
    self.tokens.reserveCapacity(tokens.count)
    self.client.submit(batch) { replies in
      self.unanswered -= tokens.count
      for (index, token) in tokens.enumerated() {
        self.onResult(token, Self.offset(of: replies, at: index))
      }
    }
  }

  private static func offset(
    of replies: RedisReplies, at index: Int
  ) -> Result<Offset, RedisError> {
    do throws(RedisError) {
      var cursor = try replies.cursor(index)
      return .success(try Offset(from: &cursor))
    } catch {
      return .failure(error)
    }
  }
}
