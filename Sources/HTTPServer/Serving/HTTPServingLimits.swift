/// Limits of a server that serves one request after the other on a connection, each with its unit.
package struct HTTPServingLimits: Sendable {
  /// Header bytes of a request.
  package var headerBytes = 16 * 1024
  /// Header fields of a request.
  package var headerFields = 100
  /// Bytes of a request's body.
  package var bodyBytes = 64 * 1024
  /// Bytes that one read of a socket brings at most; so much may wait for its turn, parsed.
  package var readBytes = 16 * 1024
  /// From the first byte of a request to the end of its head, in milliseconds.
  package var headMilliseconds: Int64 = 10_000
  /// From there to the end of its body, in milliseconds.
  package var bodyMilliseconds: Int64 = 10_000
  /// How long an answer may take to be found, in milliseconds.
  package var answerMilliseconds: Int64 = 30_000
  /// How long the client may take to receive it, in milliseconds.
  package var writeMilliseconds: Int64 = 10_000
  /// How long a connection without a request is kept, in milliseconds.
  package var idleMilliseconds: Int64 = 60_000
  /// How long is waited for the client to end a connection after its last answer, in milliseconds.
  /// Until then what it says is read and dropped: else it could lose the answer.
  package var lingerMilliseconds: Int64 = 2_000
  /// Connections at a time. Beyond them an answer says so …
  package var connections = 1_024
  /// … to so many at a time; others are closed without a word.
  package var refusedConnections = 64
  /// What the kernel keeps for a connection of what was written to it, and of what came from it, in
  /// bytes each. Linux takes twice as much.
  package var kernelBufferBytes = 64 * 1024
  /// Connections that wait to be accepted.
  package var listenBacklog: Int32 = 256
  /// How long requests under way may take when the server stops, in milliseconds.
  package var stopMilliseconds: Int64 = 8_000

  /// The defaults.
  package init() {}
}
