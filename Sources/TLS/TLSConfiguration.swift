/// Whom to trust, and who we are.
package struct TLSConfiguration: Sendable, Hashable {
  /// Whose certificates are believed.
  package enum Trust: Sendable, Hashable {
    /// Those that the system's authorities have signed. OpenSSL looks for these where the system has
    /// them, or where `SSL_CERT_FILE` and `SSL_CERT_DIR` say.
    case system
    /// Those that an authority in this file has signed, and no others. PEM, one or more certificates.
    /// An authority need not be a root: what is in the file is trusted as it is.
    case file(String)
    /// Anybody's: nothing is verified, not even the name. For development only.
    case anybody
  }

  /// Whose certificates are believed.
  package var trust: Trust
  /// Our certificate, for servers that ask for one: a file of PEM, our own certificate first, then
  /// what leads to the authority.
  package var certificateFile: String?
  /// The private key of our certificate: a file of PEM, not encrypted.
  package var keyFile: String?

  /// Trusts the system's authorities and has no certificate, unless arguments say otherwise.
  package init(
    trust: Trust = .system, certificateFile: String? = nil, keyFile: String? = nil
  ) {
    self.trust = trust
    self.certificateFile = certificateFile
    self.keyFile = keyFile
  }
}
