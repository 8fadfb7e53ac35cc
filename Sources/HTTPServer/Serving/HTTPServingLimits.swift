import Listening

/// Limits of a server that serves one request after the other on a connection, each with its unit.
package struct HTTPServingLimits: Sendable {
  package var headerBytes = 16 * 1024
  package var headerFields = 100
  /// The longest body of a request, in bytes.
  package var bodyBytes = 64 * 1024
  /// The most bytes that one read of a socket returns; as many may wait, parsed.
  package var readBytes = 16 * 1024
  /// Time from the first byte of a request to the end of its head, in milliseconds.
  package var headMilliseconds: Int64 = 10_000
  /// Time from the end of the head to the end of the body, in milliseconds.
  package var bodyMilliseconds: Int64 = 10_000
  /// Time to find an answer, in milliseconds.
  package var answerMilliseconds: Int64 = 30_000
  /// Time for the client to receive it, in milliseconds.
  package var writeMilliseconds: Int64 = 10_000
  /// Time for which a connection without a request is kept, in milliseconds.
  package var idleMilliseconds: Int64 = 60_000
  /// How long is waited for the client to end a connection after its last answer, in milliseconds.
  /// Until then what it says is read and dropped: else it could lose the answer.
  package var lingerMilliseconds: Int64 = 2_000
  /// Whether a connection stays for another request after an answer.
  package var keepsConnections = true
  /// Sockets that are accepted at a time; more wait. By default all are accepted that descriptors
  /// allow: the server refuses by itself, and says so.
  package var sockets = Int.max
  /// The descriptors that it shares with other ports; nil if ``sockets`` are few enough to live on the
  /// reserve.
  package var budget: SocketBudget? = .process
  /// Connections at a time. Beyond them an answer says so …
  package var connections = 1_024
  /// Connections that get that answer at a time; others are closed without one.
  package var refusedConnections = 64
  /// Sizes of the kernel's send buffer and of its receive buffer for a connection, in bytes each.
  /// Linux takes twice as much.
  package var kernelBufferBytes = 64 * 1024
  /// Connections that wait to be accepted.
  package var listenBacklog: Int32 = 256
  /// Time for requests under way when the server stops, in milliseconds.
  package var stopMilliseconds: Int64 = 8_000

  package init() {}
}
