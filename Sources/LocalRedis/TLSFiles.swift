/// Files with which a private server speaks TLS: its certificate, and the authority that it trusts.
///
/// In a cluster the nodes are also each other's clients, with the same certificate: if that states
/// an extended key usage, it must include both `serverAuth` and `clientAuth`.
package struct TLSFiles: Sendable, Hashable {
  /// The server's certificate, PEM.
  package var certificateFile: String
  /// Its private key, PEM.
  package var keyFile: String
  /// Certificates of the authorities that issue clients' certificates, PEM.
  package var caFile: String
  package var clients: Clients

  /// Whether clients need certificates.
  package enum Clients: String, Sendable, Hashable {
    /// The server asks for none.
    case none = "no"
    /// The server asks, and accepts clients without one.
    case optional
    /// The server rejects clients without one.
    case required = "yes"
  }

  /// The files must exist before the server starts.
  package init(
    certificateFile: String, keyFile: String, caFile: String, clients: Clients = .none
  ) {
    self.certificateFile = certificateFile
    self.keyFile = keyFile
    self.caFile = caFile
    self.clients = clients
  }

  func arguments(port: Int) -> [String] {
    [
      "--tls-port", "\(port)",
      "--tls-cert-file", certificateFile,
      "--tls-key-file", keyFile,
      "--tls-ca-cert-file", caFile,
      "--tls-auth-clients", clients.rawValue,
    ]
  }
}
