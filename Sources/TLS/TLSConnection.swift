import COpenSSL
import NIOCore

/// One connection's TLS without the connection: ciphertext and plaintext in, plaintext and ciphertext
/// out. Knows no channel.
///
/// It alone owns the `SSL` and, through it, the two memory BIOs: made in `init`, freed in `deinit`.
/// A class, since OpenSSL's callbacks find it by its address, which the `SSL` keeps for that time.
final class TLSConnection {
  private let pointer: OpaquePointer
  private let context: TLSContext
  private let peer: TLSPeer
  /// Why the server's certificate was not accepted. Only the first reason counts.
  private var verificationFailure: TLSFailure?
  /// Whether the server asked for a client certificate and there was none.
  private(set) var wasAskedForCertificateInVain = false
  private var hasFailed = false

  init(context: TLSContext, peer: TLSPeer) throws(TLSFailure) {
    OpenSSLErrors.clear()
    guard let pointer = connect_ssl_new_client(context.pointer) else {
      throw .brokenProtocol(reason: OpenSSLErrors.take().text)
    }
    self.pointer = pointer
    self.context = context
    self.peer = peer
    // From here on `deinit` frees it, whatever is thrown.
    connect_ssl_set_owner(pointer, Unmanaged.passUnretained(self).toOpaque())
    try self.expect(host: peer.host)
    if let session = context.takeSession(for: peer) {
      // It holds a reference of its own. If it cannot, the handshake is a full one.
      SSL_set_session(pointer, session.pointer)
    }
  }

  deinit {
    // OpenSSL makes sessions useless whose connection ended without a farewell of ours. That was a rule
    // of SSL's, since dropped (RFC 5246 §7.2.1): a cut cable says nothing against the session.
    if !self.hasFailed { SSL_set_shutdown(self.pointer, SSL_SENT_SHUTDOWN) }
    SSL_free(self.pointer)
  }

  /// Whether the handshake was short, with a session of an earlier connection.
  var isResumed: Bool { SSL_session_reused(self.pointer) != 0 }

  /// As `TLSv1.3`.
  var protocolVersion: String { String(cString: SSL_get_version(self.pointer)) }

  /// Sets the host that the certificate must name, and the SNI unless the host is an address.
  private func expect(host: String) throws(TLSFailure) {
    // The dot at the end of an absolute name is not part of what a certificate has.
    let name = host.hasSuffix(".") ? String(host.dropLast()) : host
    let length = name.utf8.count
    // OpenSSL would take an empty name as "any", and a C string as ended by a zero within.
    guard length > 0, !name.utf8.contains(0) else { throw .invalidHost }
    let parameters = SSL_get0_param(self.pointer)
    let isAddress = X509_VERIFY_PARAM_set1_ip_asc(parameters, name) == 1
    if !isAddress {
      X509_VERIFY_PARAM_set_hostflags(
        parameters,
        UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT))
      guard
        X509_VERIFY_PARAM_set1_host(parameters, name, length) == 1,
        connect_ssl_set_server_name(self.pointer, name) == 1
      else { throw .invalidHost }
    }
    SSL_set_verify(
      self.pointer, self.context.isVerifying ? SSL_VERIFY_PEER : SSL_VERIFY_NONE
    ) { isFine, store in TLSConnection.verify(isFine, store) }
  }

  // MARK: The way in

  /// Takes ciphertext from the server, for ``handshake()`` and ``decrypt(into:)``.
  func receive(_ ciphertext: UnsafeRawBufferPointer) throws(TLSFailure) {
    guard ciphertext.count > 0 else { return }
    precondition(ciphertext.count <= TLSLimits.ciphertextPieceBytes, "more than a piece at once")
    OpenSSLErrors.clear()
    let count = Int(BIO_write(self.input, ciphertext.baseAddress, Int32(ciphertext.count)))
    guard count == ciphertext.count else { throw self.failure() }
  }

  /// Continues the handshake as far as the data allows, and returns whether it is done.
  func handshake() throws(TLSFailure) -> Bool {
    OpenSSLErrors.clear()
    let result = SSL_do_handshake(self.pointer)
    if result == 1 { return true }
    guard SSL_get_error(self.pointer, result) == SSL_ERROR_WANT_READ else { throw self.failure() }
    return false
  }

  /// Whether ``decrypt(into:)`` could have something to do.
  var hasUndecrypted: Bool { self.undecryptedBytes > 0 }

  enum DecryptResult {
    /// No whole record is left.
    case needsMore
    /// The server sent close_notify: nothing more comes.
    case ended
  }

  /// Appends the plaintext of all whole records.
  ///
  /// When it throws, what was appended is still good: it came before what is wrong.
  func decrypt(into plaintext: inout ByteBuffer) throws(TLSFailure) -> DecryptResult {
    while true {
      let waiting = self.undecryptedBytes
      // Without looking, which would need room for nothing.
      guard waiting > 0 else { return .needsMore }
      var result: Int32 = 0
      // A record has less plaintext than ciphertext, so mostly the buffer need not grow.
      plaintext.writeWithUnsafeMutableBytes(
        minimumWritableBytes: min(waiting, TLSLimits.recordBytes)
      ) { room in
        var count = 0
        OpenSSLErrors.clear()
        result = SSL_read_ex(self.pointer, room.baseAddress, room.count, &count)
        return result == 1 ? count : 0
      }
      if result == 1 { continue }
      switch SSL_get_error(self.pointer, result) {
      case SSL_ERROR_WANT_READ: return .needsMore
      case SSL_ERROR_ZERO_RETURN: return .ended
      default: throw self.failure()
      }
    }
  }

  // MARK: The way out

  /// Encrypts all of `plaintext`, and appends the ciphertext to the buffer.
  func encrypt(
    _ plaintext: UnsafeRawBufferPointer, into ciphertext: inout ByteBuffer
  ) throws(TLSFailure) {
    var rest = plaintext[...]
    while !rest.isEmpty {
      let piece = UnsafeRawBufferPointer(rebasing: rest)
      var count = 0
      OpenSSLErrors.clear()
      guard SSL_write_ex(self.pointer, piece.baseAddress, piece.count, &count) == 1 else {
        throw self.failure()
      }
      rest = rest.dropFirst(count)
      // After each record, so that OpenSSL's memory for output never grows beyond one.
      self.takeCiphertext(into: &ciphertext)
    }
  }

  /// Whether there is ciphertext to send, of the handshake, an alert, or data.
  var hasCiphertext: Bool { BIO_ctrl_pending(self.output) > 0 }

  /// Appends all ciphertext that is to be sent.
  func takeCiphertext(into ciphertext: inout ByteBuffer) {
    let count = BIO_ctrl_pending(self.output)
    guard count > 0 else { return }
    ciphertext.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { room in
      Int(BIO_read(self.output, room.baseAddress, Int32(clamping: count)))
    }
  }

  /// Produces close_notify: nothing can be encrypted any more.
  func shutDown() {
    guard !self.hasFailed else { return }
    OpenSSLErrors.clear()
    // It returns 0 while the server has not said its own, which is not waited for.
    SSL_shutdown(self.pointer)
    OpenSSLErrors.clear()
  }

  // MARK: Private

  private var input: OpaquePointer { SSL_get_rbio(self.pointer) }
  private var output: OpaquePointer { SSL_get_wbio(self.pointer) }

  /// Bytes that came and were not read, or were decrypted and not taken.
  private var undecryptedBytes: Int {
    Int(SSL_pending(self.pointer)) + BIO_ctrl_pending(self.input)
  }

  /// The failure of OpenSSL's last call. No further call may follow.
  private func failure() -> TLSFailure {
    self.hasFailed = true
    let errors = OpenSSLErrors.take()
    return self.verificationFailure
      ?? errors.failure(
        wasAskedInVain: self.wasAskedForCertificateInVain,
        hasCertificate: self.context.hasCertificate)
  }
}

// MARK: What OpenSSL calls

extension TLSConnection {
  /// Makes OpenSSL report to the connection: on its event loop, within one of the calls above.
  static func setCallbacks(of context: OpaquePointer) {
    SSL_CTX_sess_set_new_cb(context) { ssl, session in
      guard let session, let connection = TLSConnection.find(connect_ssl_owner(ssl)) else {
        return 0
      }
      connection.context.store(TLSSession(takingOver: session), for: connection.peer)
      return 1
    }
    // Only called when there is no certificate that the server would take.
    SSL_CTX_set_client_cert_cb(context) { ssl, _, _ in
      TLSConnection.find(connect_ssl_owner(ssl))?.wasAskedForCertificateInVain = true
      return 0
    }
  }

  /// Called for each certificate, from the authority's to the server's own. Returning 0 ends it.
  private static func verify(_ isFine: Int32, _ store: OpaquePointer?) -> Int32 {
    guard isFine == 0 else { return 1 }
    if let store, let connection = Self.find(connect_store_ctx_owner(store)),
      connection.verificationFailure == nil
    {
      connection.verificationFailure = TLSFailure(verifying: store)
    }
    return 0
  }

  private static func find(_ owner: UnsafeMutableRawPointer?) -> TLSConnection? {
    owner.map { Unmanaged<TLSConnection>.fromOpaque($0).takeUnretainedValue() }
  }
}
