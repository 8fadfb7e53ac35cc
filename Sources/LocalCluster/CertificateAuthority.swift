import Crypto
import Foundation
import SwiftASN1
import X509

/// An authority for development and tests, which signs certificates with its own.
///
/// All keys are of the curve P-256, and not encrypted.
package struct CertificateAuthority: Sendable {
  package let credential: Credential
  private let days: Int

  /// Purpose of a certificate.
  package enum Purpose: Sendable {
    /// A server, or a client, with the names and addresses that clients look for.
    case server(names: [String], addresses: [[UInt8]])
    /// A client only.
    case client

    /// A server on this machine.
    package static let localhost = Purpose.server(
      names: ["localhost"], addresses: [[127, 0, 0, 1], [UInt8](repeating: 0, count: 15) + [1]])
  }

  /// - Parameter days: how long its own certificate is valid, and those that it signs.
  package init(subject: String, days: Int) throws {
    let key = P256.Signing.PrivateKey()
    let name = try DistinguishedName { CommonName(subject) }
    self.days = days
    self.credential = try Credential(
      key, issuer: name, issuerKey: key, subject: name, valid: Self.validity(days: days)
    ) {
      Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
      Critical(KeyUsage(keyCertSign: true, cRLSign: true))
      SubjectKeyIdentifier(hash: Certificate.PublicKey(key.publicKey))
    }
  }

  /// Signs a certificate for a new key.
  ///
  /// - Parameter valid: from today if nil.
  package func issue(
    _ purpose: Purpose, subject: String, valid: Range<Date>? = nil
  ) throws -> Credential {
    try Credential(
      P256.Signing.PrivateKey(), issuer: self.credential.certificate.subject,
      issuerKey: self.credential.key, subject: DistinguishedName { CommonName(subject) },
      valid: valid ?? Self.validity(days: self.days)
    ) {
      switch purpose {
      case .client: try ExtendedKeyUsage([.clientAuth])
      case .server(let names, let addresses):
        try ExtendedKeyUsage([.serverAuth, .clientAuth])
        let all =
          names.map(GeneralName.dnsName)
          + addresses.map { .ipAddress(ASN1OctetString(contentBytes: $0[...])) }
        if !all.isEmpty { SubjectAlternativeNames(all) }
      }
    }
  }

  private static func validity(days: Int) -> Range<Date> {
    // A little earlier, for whom the clock is behind.
    let now = Date.now
    return now.addingTimeInterval(-60)..<now.addingTimeInterval(Double(days) * 86_400)
  }
}

/// A certificate and its key.
package struct Credential: Sendable {
  let certificate: Certificate
  let key: P256.Signing.PrivateKey

  fileprivate init(
    _ key: P256.Signing.PrivateKey, issuer: DistinguishedName, issuerKey: P256.Signing.PrivateKey,
    subject: DistinguishedName, valid: Range<Date>,
    @ExtensionsBuilder extensions: () throws -> Result<Certificate.Extensions, any Error>
  ) throws {
    self.key = key
    self.certificate = try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(),
      publicKey: Certificate.PublicKey(key.publicKey), notValidBefore: valid.lowerBound,
      notValidAfter: valid.upperBound, issuer: issuer, subject: subject,
      signatureAlgorithm: .ecdsaWithSHA256, extensions: extensions().get(),
      issuerPrivateKey: Certificate.PrivateKey(issuerKey))
  }

  /// Writes `NAME.pem` and `NAME.key`.
  package func write(_ name: String, in directory: String) throws(LocalCertificatesError) {
    let path = "\(directory)/\(name)"
    do {
      try self.certificate.serializeAsPEM().pemString
        .write(toFile: "\(path).pem", atomically: true, encoding: .utf8)
      try self.key.pemRepresentation
        .write(toFile: "\(path).key", atomically: true, encoding: .utf8)
    } catch {
      throw .unwritable(path: path, reason: error.localizedDescription)
    }
  }

  /// Until when the certificate in a file is valid; nil if there is none.
  package static func expiry(ofFile path: String) -> Date? {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
    return (try? Certificate(pemEncoded: text))?.notValidAfter
  }
}
