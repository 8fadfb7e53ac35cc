import COpenSSL

/// The errors that OpenSSL has put into this thread's queue.
///
/// The queue must be empty before a call whose error matters: ``clear()``. Taking errors empties it.
struct OpenSSLErrors {
  /// The oldest first: the cause, then what failed because of it.
  private let codes: [UInt]

  static func clear() { ERR_clear_error() }

  static func take() -> OpenSSLErrors {
    var codes: [UInt] = []
    while true {
      let code = ERR_get_error()
      guard code != 0 else { return OpenSSLErrors(codes: codes) }
      codes.append(code)
    }
  }

  var isKeyMismatch: Bool { self.codes.contains { connect_err_is_key_mismatch($0) != 0 } }

  var text: String {
    let texts = self.codes.map { code in
      ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(code)"
    }
    return texts.isEmpty ? "no reason given" : texts.joined(separator: ", ")
  }

  /// The failure that these errors of a connection mean, if they are not about the server's
  /// certificate.
  ///
  /// - Parameters:
  ///   - wasAskedInVain: The server has asked for a client certificate, and there was none.
  ///   - hasCertificate: We have a client certificate.
  func failure(wasAskedInVain: Bool, hasCertificate: Bool) -> TLSFailure {
    for code in self.codes where connect_err_is_ssl(code) != 0 {
      let reason = connect_err_reason(code)
      switch reason {
      case SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST:
        return .notTLS
      case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_UNKNOWN_PROTOCOL, SSL_R_VERSION_TOO_LOW:
        return .protocolVersion
      // An alert of the server's is reported as a reason of its number and 1000.
      case SSL_AD_REASON_OFFSET..<SSL_AD_REASON_OFFSET + 256:
        return Self.failure(
          alert: reason - SSL_AD_REASON_OFFSET, wasAskedInVain: wasAskedInVain,
          hasCertificate: hasCertificate)
      default: continue
      }
    }
    return .brokenProtocol(reason: self.text)
  }

  private static func failure(
    alert: Int32, wasAskedInVain: Bool, hasCertificate: Bool
  ) -> TLSFailure {
    let text = SSL_alert_desc_string_long(alert).map { String(cString: $0) } ?? "alert \(alert)"
    switch alert {
    case SSL3_AD_HANDSHAKE_FAILURE where wasAskedInVain:
      // What a server of TLS 1.2 says, which has no alert of its own for it.
      return .clientCertificateMissing
    case TLS13_AD_CERTIFICATE_REQUIRED:
      return hasCertificate ? .clientCertificateRefused(alert: text) : .clientCertificateMissing
    case SSL3_AD_NO_CERTIFICATE...SSL3_AD_CERTIFICATE_UNKNOWN, TLS1_AD_UNKNOWN_CA,
      TLS1_AD_ACCESS_DENIED, TLS1_AD_DECRYPT_ERROR:
      if wasAskedInVain { return .clientCertificateMissing }
      return hasCertificate ? .clientCertificateRefused(alert: text) : .refused(alert: text)
    case TLS1_AD_PROTOCOL_VERSION:
      return .protocolVersion
    default:
      return .refused(alert: text)
    }
  }
}
