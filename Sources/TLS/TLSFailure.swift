/// The reason why a connection failed. Texts are OpenSSL's, or from the other side's certificate,
/// and only to be shown.
package enum TLSFailure: Error, Sendable, Hashable, CustomStringConvertible {
  case unknownAuthority(issuer: String, reason: String)
  /// The server's certificate, or one that leads to it, is no longer valid.
  case expired(subject: String, since: String)
  /// The server's certificate, or one that leads to it, is not valid yet.
  case notYetValid(subject: String, until: String)
  /// The server's certificate is for these names, and not for the host.
  case wrongHost(names: String)
  /// The server's certificate is not acceptable for another reason.
  case unacceptableCertificate(subject: String, reason: String)
  case clientCertificateMissing
  case clientCertificateRefused(alert: String)
  /// The server and we have no version of TLS in common.
  case protocolVersion
  /// The server refuses the connection with this alert.
  case refused(alert: String)
  case notTLS
  /// The bytes break the rules of TLS, or were changed on their way.
  case brokenProtocol(reason: String)
  /// The connection ended before the handshake was done. `answered`: some bytes had come.
  case closedDuringHandshake(answered: Bool, cause: String?)
  /// The connection ended without close_notify, so the last of the data may be missing.
  case truncated(anythingReceived: Bool, cause: String?)
  /// The host is neither a name nor an address, so no certificate could be for it.
  case invalidHost
  /// More was written before the handshake was done than may wait.
  case heldBackTooMuch(limitBytes: Int)

  package var description: String {
    switch self {
    case .unknownAuthority(let issuer, let reason):
      """
      its certificate was issued by "\(issuer)", which is not among the authorities to trust \
      (\(reason)): give the file of its authority
      """
    case .expired(let subject, let since):
      "the certificate of \"\(subject)\" expired on \(since): renew it, or correct the clock here"
    case .notYetValid(let subject, let until):
      """
      the certificate of "\(subject)" is not valid before \(until): correct the clock here, or the \
      certificate
      """
    case .wrongHost(let names):
      names.isEmpty
        ? "its certificate names no host (subjectAltName), so it cannot be verified: issue another"
        : "its certificate is for other names (\(names)): connect by one of these, or add the name"
    case .unacceptableCertificate(let subject, let reason):
      "the certificate of \"\(subject)\" is not acceptable: \(reason)"
    case .clientCertificateMissing:
      "it wants a client certificate: give the files of one, with its private key"
    case .clientCertificateRefused(let alert):
      """
      it does not accept our client certificate (\(alert)): see that its authority is the one that \
      the server trusts, and that it has not expired
      """
    case .protocolVersion:
      "it has no version of TLS in common with us: TLS 1.2 is the least that is accepted"
    case .refused(let alert):
      "it refuses (\(alert)): its log may say why"
    case .notTLS:
      "it does not speak TLS: the port seems to be a plain one; use \(Self.plainURLs) for it"
    case .brokenProtocol(let reason):
      "what it sent breaks the rules of TLS, or was changed on its way (\(reason))"
    case .closedDuringHandshake(let answered, let cause):
      "the connection was closed during the handshake\(Self.because(cause))"
        + (answered
          ? ""
          : ", before anything came: the port may be a plain one; use \(Self.plainURLs) for it")
    case .truncated(let anythingReceived, let cause):
      "the connection was cut without TLS's farewell\(Self.because(cause))"
        + (anythingReceived ? "" : ", before anything came: its log may say why")
    case .invalidHost:
      "no certificate can be for such a host: give a name or an IP address"
    case .heldBackTooMuch(let limitBytes):
      "more than \(limitBytes) bytes were written before the handshake was done"
    }
  }

  /// URLs by which the users of this target connect without TLS.
  private static let plainURLs = "redis:// or ws://"

  private static func because(_ cause: String?) -> String { cause.map { " (\($0))" } ?? "" }
}
