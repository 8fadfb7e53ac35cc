/// The end of the connection, which decides which direction is masked (RFC 6455 §5.1).
package enum WebSocketRole: Sendable {
  /// Requires masked frames and writes unmasked ones.
  case server
  /// Requires unmasked frames and writes masked ones.
  case client
}
