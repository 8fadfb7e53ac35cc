import COpenSSL
import Synchronization

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// State that all connections of one configuration share: the trusted certificates, our own, and
/// the sessions by which the next handshake with a server is a short one.
///
/// It reads the files once, in `init`: certificates that were replaced take effect with a new context.
///
/// It alone owns the `SSL_CTX`: made in `init`, freed in `deinit`. Each connection keeps its context.
package final class TLSContext: Sendable {
  /// Unsafe only by its type: nothing changes an `SSL_CTX` of ours after `init`, and OpenSSL makes
  /// connections of it from any thread.
  nonisolated(unsafe) let pointer: OpaquePointer
  let isVerifying: Bool
  let hasCertificate: Bool
  private let sessions = Mutex(
    SessionCache<TLSSession>(
      maximumPeers: TLSLimits.maximumPeersWithSessions,
      maximumSessionsPerPeer: TLSLimits.maximumSessionsPerPeer))

  /// Reads the files that the configuration names.
  ///
  /// - Throws: ``TLSError/configuration(_:)``, saying which file is at fault.
  package init(_ configuration: TLSConfiguration) throws(TLSError) {
    OpenSSLErrors.clear()
    guard let pointer = SSL_CTX_new(TLS_client_method()) else {
      throw .configuration(.refused(reason: OpenSSLErrors.take().text))
    }
    self.pointer = pointer
    self.isVerifying = configuration.trust != .anybody
    self.hasCertificate = configuration.certificateFile != nil
    // From here on `deinit` frees it, whatever is thrown.
    do throws(TLSConfigurationProblem) {
      guard connect_ssl_ctx_set_min_version(pointer, TLS1_2_VERSION) != 0 else {
        throw .refused(reason: OpenSSLErrors.take().text)
      }
      connect_ssl_ctx_set_client_modes(pointer)
      connect_ssl_ctx_ask_no_password(pointer)
      try self.trust(configuration.trust)
      switch (configuration.certificateFile, configuration.keyFile) {
      case (let certificate?, let key?): try self.identify(certificateFile: certificate, key)
      case (nil, nil): break
      default: throw .incompleteIdentity
      }
    } catch {
      throw .configuration(error)
    }
    TLSConnection.setCallbacks(of: pointer)
  }

  deinit { SSL_CTX_free(self.pointer) }

  private func trust(_ trust: TLSConfiguration.Trust) throws(TLSConfigurationProblem) {
    switch trust {
    case .system:
      guard SSL_CTX_set_default_verify_paths(self.pointer) == 1 else {
        throw .refused(reason: OpenSSLErrors.take().text)
      }
    case .file(let path):
      try Self.checkReadable(path, .authorities)
      guard SSL_CTX_load_verify_locations(self.pointer, path, nil) == 1 else {
        throw .malformed(.authorities, path: path, reason: OpenSSLErrors.take().text)
      }
      // An authority in the file need not be a root.
      X509_VERIFY_PARAM_set_flags(
        SSL_CTX_get0_param(self.pointer), UInt(X509_V_FLAG_PARTIAL_CHAIN))
    case .anybody: break
    }
  }

  private func identify(
    certificateFile: String, _ keyFile: String
  ) throws(TLSConfigurationProblem) {
    try Self.checkReadable(certificateFile, .certificate)
    guard SSL_CTX_use_certificate_chain_file(self.pointer, certificateFile) == 1 else {
      throw .malformed(.certificate, path: certificateFile, reason: OpenSSLErrors.take().text)
    }
    try Self.checkReadable(keyFile, .key)
    guard
      SSL_CTX_use_PrivateKey_file(self.pointer, keyFile, SSL_FILETYPE_PEM) == 1,
      SSL_CTX_check_private_key(self.pointer) == 1
    else {
      let errors = OpenSSLErrors.take()
      throw errors.isKeyMismatch
        ? .keyMismatch(certificateFile: certificateFile, keyFile: keyFile)
        : .malformed(.key, path: keyFile, reason: errors.text)
    }
  }

  /// Checked before OpenSSL tries, whose message for a missing file is of little help.
  private static func checkReadable(
    _ path: String, _ content: TLSConfigurationProblem.Content
  ) throws(TLSConfigurationProblem) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw .unreadable(content, path: path, reason: String(cString: strerror(errno)))
    }
    close(descriptor)
  }
}

extension TLSContext {
  func store(_ session: TLSSession, for peer: TLSPeer) {
    self.sessions.withLock {
      $0.store(session, isSingleUse: session.isSingleUse, for: peer)
    }
  }

  func takeSession(for peer: TLSPeer) -> TLSSession? {
    self.sessions.withLock { sessions in
      while let session = sessions.take(for: peer) {
        if session.isResumable { return session }
        // Of TLS 1.2, and so still there.
        if !session.isSingleUse { sessions.forget(peer) }
      }
      return nil
    }
  }

  func forgetSessions(for peer: TLSPeer) { self.sessions.withLock { $0.forget(peer) } }

  func sessionCount(for peer: TLSPeer) -> Int {
    self.sessions.withLock { $0.count(for: peer) }
  }
}
