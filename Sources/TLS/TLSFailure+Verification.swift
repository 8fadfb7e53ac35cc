import COpenSSL

extension TLSFailure {
  /// The reason for which a certificate was rejected, within OpenSSL's callback for it.
  init(verifying store: OpaquePointer) {
    let code = X509_STORE_CTX_get_error(store)
    let reason = String(cString: X509_verify_cert_error_string(Int(code)))
    let certificate = X509_STORE_CTX_get_current_cert(store)
    let subject = Self.text(certificate, connect_x509_subject)
    switch code {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      self = .expired(
        subject: subject, since: Self.text(X509_get0_notAfter(certificate), connect_asn1_time))
    case X509_V_ERR_CERT_NOT_YET_VALID:
      self = .notYetValid(
        subject: subject, until: Self.text(X509_get0_notBefore(certificate), connect_asn1_time))
    case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
      self = .wrongHost(names: Self.text(certificate, connect_x509_names))
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
      X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
      X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_UNTRUSTED,
      // Another authority of the same name has signed it.
      X509_V_ERR_CERT_SIGNATURE_FAILURE:
      self = .unknownAuthority(
        issuer: Self.text(certificate, connect_x509_issuer), reason: reason)
    default:
      self = .unacceptableCertificate(subject: subject, reason: reason)
    }
  }

  /// An untrusted text of a certificate: shortened, and without what could deceive in a log.
  private static func text<Source>(
    _ source: Source?, _ write: (Source?, UnsafeMutablePointer<CChar>?, Int32) -> Int32
  ) -> String {
    guard let source else { return "" }
    return withUnsafeTemporaryAllocation(
      of: CChar.self, capacity: TLSLimits.shownCertificateTextBytes
    ) { room in
      let count = Int(write(source, room.baseAddress, Int32(room.count)))
      let bytes = room[..<count].map { (0x20..<0x7F).contains($0) ? UInt8(bitPattern: $0) : 0x3F }
      return String(decoding: bytes, as: UTF8.self)
    }
  }
}
