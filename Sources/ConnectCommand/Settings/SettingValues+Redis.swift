import Redis
import TLS

/// Where Redis is, as whom to log in, and whom to trust.
extension SettingValues {
  /// Nil when nothing says where Redis is.
  func givenRedis() throws(Failure) -> RedisConfiguration? {
    self.text(.redisURL) == nil ? nil : try self.redis()
  }

  func redis() throws(Failure) -> RedisConfiguration {
    let url = try self.redisURL()
    let expected = RedisMode.allCases.map(\.rawValue).joined(separator: ", ")
    let mode = try self.value(.redisMode, expected: "one of \(expected)") {
      RedisMode(rawValue: $0)
    }
    if mode == .cluster || url.addresses.count > 1, url.database != 0 {
      throw self.failure(.redisURL, "a cluster has only database 0, not \(url.database)")
    }
    if mode == .single, url.addresses.count > 1 {
      throw self.failure(.redisURL, "several hosts are a cluster, and the mode is single")
    }
    let tls = try self.redisTLS(for: url)
    do throws(TLSError) {
      return try RedisConfiguration(
        url: url, mode: mode ?? .auto, passwordFile: self.text(.redisPasswordFile), tls: tls)
    } catch {
      throw .usage("TLS to Redis: \(error)")
    }
  }

  private func redisURL() throws(Failure) -> RedisURL {
    var url = RedisURL(host: "127.0.0.1")
    if let text = self.text(.redisURL) {
      do throws(RedisURL.Malformed) {
        url = try RedisURL(parsing: text)
      } catch {
        throw self.failure(.redisURL, error.description)
      }
    }
    url.user = self.text(.redisUser) ?? url.user
    url.password = self.text(.redisPassword) ?? url.password
    return url
  }

  private func redisTLS(for url: RedisURL) throws(Failure) -> TLSConfiguration {
    let isInsecure =
      try self.value(.redisTLSInsecure, expected: "true or false") { Bool($0) } ?? false
    let caFile = self.text(.redisCAFile)
    let certificate = self.text(.redisCertificateFile)
    let key = self.text(.redisKeyFile)
    if !url.isTLS {
      // A certificate that protects nothing would be believed to.
      for setting in [Setting.redisCAFile, .redisCertificateFile, .redisKeyFile]
      where self.text(setting) != nil {
        throw self.failure(setting, "needs a URL that begins with rediss://")
      }
    }
    if isInsecure, caFile != nil {
      throw self.failure(.redisTLSInsecure, "contradicts \(Setting.redisCAFile.flag)")
    }
    guard (certificate == nil) == (key == nil) else {
      throw .usage(
        "\(Setting.redisCertificateFile.flag) and \(Setting.redisKeyFile.flag) go together")
    }
    return TLSConfiguration(
      trust: isInsecure ? .anybody : caFile.map { .file($0) } ?? .system,
      certificateFile: certificate, keyFile: key)
  }
}
