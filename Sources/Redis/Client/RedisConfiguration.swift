import TLS

/// The kind of Redis behind a URL.
package enum RedisMode: String, Sendable, Hashable, CaseIterable {
  /// Ask the server.
  case auto
  /// One server, or the primary endpoint of a replicated one.
  case single
  case cluster
}

package struct RedisConfiguration: Sendable {
  /// Address and login.
  package let url: RedisURL
  package var mode: RedisMode
  /// A file with the password, read at each connect, so that a rotated one is used from then
  /// on. It goes before the URL's password.
  package var passwordFile: String?
  /// Metrics of its connections; nil counts nothing.
  package var metrics: RedisMetrics?
  /// Accept any certificate from Redis: for development only.
  package let trustsAnybody: Bool
  /// Shared by all connections; nil for a URL without TLS.
  let tls: TLSContext?

  /// One server without TLS and login, as in development.
  package init(host: String, port: Int) {
    self.url = RedisURL(host: host, port: port)
    self.mode = .single
    self.trustsAnybody = false
    self.tls = nil
  }

  /// - Parameter tls: whom to trust, and who we are; of no consequence for a URL without TLS.
  /// - Throws: what is wrong with the files of `tls`.
  package init(
    url: RedisURL, mode: RedisMode = .auto, passwordFile: String? = nil,
    tls: TLSConfiguration = TLSConfiguration()
  ) throws(TLSError) {
    self.url = url
    self.mode = mode
    self.passwordFile = passwordFile
    self.trustsAnybody = url.isTLS && tls.trust == .anybody
    self.tls = url.isTLS ? try TLSContext(tls) : nil
  }
}
