/// The authorities to trust, and our own certificate.
package struct TLSConfiguration: Sendable, Hashable {
  package enum Trust: Sendable, Hashable {
    /// Those that the system's authorities have signed. OpenSSL looks for these where the system has
    /// them, or where `SSL_CERT_FILE` and `SSL_CERT_DIR` say.
    case system
    /// Those that an authority in this file has signed, and no others. PEM, one or more certificates.
    /// An authority need not be a root: what is in the file is trusted as it is.
    case file(String)
    /// Verifies nothing, not even the name. For development only.
    case anybody
  }

  /// Authorities whose certificates are accepted.
  package var trust: Trust
  /// Our certificate, for servers that ask for one: a file of PEM, our own certificate first, then
  /// what leads to the authority.
  package var certificateFile: String?
  /// PEM file with the private key of our certificate, not encrypted.
  package var keyFile: String?

  package init(
    trust: Trust = .system, certificateFile: String? = nil, keyFile: String? = nil
  ) {
    self.trust = trust
    self.certificateFile = certificateFile
    self.keyFile = keyFile
  }
}
