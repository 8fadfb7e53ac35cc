/// # TLS
///
/// TLS for the client's side of a connection: a SwiftNIO handler around the system's OpenSSL, to be
/// put first into a channel. It serves connections to Redis, and those of clients on Linux. It has no
/// clock.
///
/// - ``TLSConfiguration`` says whom to trust and who we are.
/// - ``TLSContext`` is what the connections of one configuration share; it owns the `SSL_CTX`.
/// - ``TLSClientHandler`` is one connection's TLS. What it decides is ``TLSClientStateMachine``'s,
///   what waits to be encrypted is in ``PendingWrites``, and `TLSClientHandler+Outbound.swift` is
///   the way out.
/// - ``TLSConnection`` owns one connection's `SSL` with its memory BIOs; `TLSFailure+Verification.swift`
///   is what is asked of its certificate.
/// - ``SessionCache`` keeps what makes the next handshake with a server short.
/// - ``TLSError`` says what failed, to whom, and what to do; ``OpenSSLErrors`` makes it of OpenSSL's
///   own.

/// Every limit of TLS, each with its unit.
package enum TLSLimits {
  /// Most bytes that may be written before the handshake is done. More ends the connection: a
  /// stream with a hole is none.
  package static let maximumHeldBackBytes = 1024 * 1024

  /// How many bytes of ciphertext are given to OpenSSL at once, and so what its memory for input
  /// grows to. As much as NIO reads at once.
  package static let ciphertextPieceBytes = 64 * 1024

  /// The most plaintext of one record (RFC 8446 §5.1), in bytes. Small writes of one flush share
  /// records up to it.
  package static let recordBytes = 16 * 1024

  /// Room for a record's header, tag and padding in the buffer for ciphertext, in bytes. TLS 1.3
  /// takes 22; TLS 1.2 with AES-GCM 29, with CBC up to 69.
  package static let recordOverheadBytes = 32

  /// The most servers, by host name and port, for which sessions are kept.
  package static let maximumPeersWithSessions = 256

  /// How many sessions are kept for one server. A Redis gives two for each full handshake and one
  /// for each short one; a reconnect of all connections to it wants one each.
  package static let maximumSessionsPerPeer = 16

  /// Bytes shown in an error of each text of a certificate, such as its names.
  package static let shownCertificateTextBytes = 512
}
