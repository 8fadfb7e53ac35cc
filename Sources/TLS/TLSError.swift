/// Why there is no TLS, in words for whoever must mend it.
package enum TLSError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The configuration cannot be used. No connection was tried.
  case configuration(TLSConfigurationProblem)
  /// A connection failed, or ended in a way that TLS does not allow.
  case connection(TLSPeer, TLSFailure)

  /// What happened, and what to do.
  package var description: String {
    switch self {
    case .configuration(let problem): "TLS cannot be set up: \(problem)"
    case .connection(let peer, let failure): "TLS with \(peer) failed: \(failure)"
    }
  }
}

/// The server at the other end, as it was asked for.
package struct TLSPeer: Sendable, Hashable, CustomStringConvertible {
  /// The name or address that the server's certificate must be for.
  package var host: String
  package var port: Int

  /// The server of that name or address, at that port.
  package init(host: String, port: Int) {
    self.host = host
    self.port = port
  }

  /// As `host:port`.
  package var description: String {
    self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)"
  }
}

/// What is wrong with a ``TLSConfiguration``.
package enum TLSConfigurationProblem: Error, Sendable, Hashable, CustomStringConvertible {
  /// What a file is for.
  package enum Content: String, Sendable, Hashable {
    /// The authorities to trust.
    case authorities = "the certificates of the authorities"
    /// Our own certificate.
    case certificate = "the client certificate"
    /// The private key of our certificate.
    case key = "the private key of the client certificate"
  }

  /// The system does not let us read a file, for this reason.
  case unreadable(Content, path: String, reason: String)
  /// A file has not what it should have, or not as PEM.
  case malformed(Content, path: String, reason: String)
  /// The private key does not belong to the certificate.
  case keyMismatch(certificateFile: String, keyFile: String)
  /// There is a certificate without a private key, or the reverse.
  case incompleteIdentity
  /// OpenSSL refuses, for this reason.
  case refused(reason: String)

  /// What is wrong, and what to do.
  package var description: String {
    switch self {
    case .unreadable(let content, let path, let reason):
      "\(path) should have \(content.rawValue) and cannot be read: \(reason)"
    case .malformed(let content, let path, let reason):
      "\(path) should have \(content.rawValue) as unencrypted PEM, and has not: \(reason)"
    case .keyMismatch(let certificateFile, let keyFile):
      "the private key in \(keyFile) does not belong to the certificate in \(certificateFile)"
    case .incompleteIdentity:
      "a client certificate needs a private key, and a key its certificate: give both or neither"
    case .refused(let reason):
      "OpenSSL refuses: \(reason)"
    }
  }
}
