/// Why TLS failed, in words for the person who must fix it.
package enum TLSError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The configuration cannot be used. No connection was tried.
  case configuration(TLSConfigurationProblem)
  /// A connection failed, or ended in a way that TLS does not allow.
  case connection(TLSPeer, TLSFailure)

  package var description: String {
    switch self {
    case .configuration(let problem): "TLS cannot be set up: \(problem)"
    case .connection(let peer, let failure): "TLS with \(peer) failed: \(failure)"
    }
  }
}

/// The server at the other end, as the caller named it.
package struct TLSPeer: Sendable, Hashable, CustomStringConvertible {
  /// The name or address that the server's certificate must be for.
  package var host: String
  package var port: Int

  package init(host: String, port: Int) {
    self.host = host
    self.port = port
  }

  /// As `host:port`.
  package var description: String {
    self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)"
  }
}

package enum TLSConfigurationProblem: Error, Sendable, Hashable, CustomStringConvertible {
  package enum Content: String, Sendable, Hashable {
    /// Certificates of the authorities to trust.
    case authorities = "the certificates of the authorities"
    case certificate = "the client certificate"
    case key = "the private key of the client certificate"
  }

  /// The system cannot read a file, for this reason.
  case unreadable(Content, path: String, reason: String)
  /// A file does not have the content that it should, or not as PEM.
  case malformed(Content, path: String, reason: String)
  case keyMismatch(certificateFile: String, keyFile: String)
  /// There is a certificate without a private key, or the reverse.
  case incompleteIdentity
  /// OpenSSL refuses it, for this reason.
  case refused(reason: String)

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
