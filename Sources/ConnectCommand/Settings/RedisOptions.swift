import ArgumentParser
import Redis
import Settings
import TLS

/// Options of all commands that use Redis: its address, and the login.
struct RedisOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Where Redis is: redis[s]://[user[:password]@]host[:port][,…][/db]. rediss:// is TLS; \
      several hosts are nodes of one cluster. A password is better given as \
      CONNECT_REDIS_PASSWORD or as a file (default: redis://127.0.0.1:6379; `connect dev` starts \
      one of its own).
      """,
      valueName: "url"))
  var redisURL: String?

  @Option(help: "auto, single or cluster (default: auto, which asks the server).")
  var redisMode: String?

  @Option(help: "ACL user (default: the URL's, or the default user).")
  var redisUser: String?

  @Option(
    help: ArgumentHelp(
      "File with the password, read at each connect (or CONNECT_REDIS_PASSWORD).",
      valueName: "path"))
  var redisPasswordFile: String?

  @Option(
    help: ArgumentHelp(
      "PEM file of the CAs to trust with rediss:// (default: those of the system).",
      valueName: "path"))
  var redisCAFile: String?

  @Option(
    help: ArgumentHelp(
      "PEM file of the client certificate, if Redis wants one.", valueName: "path"))
  var redisCertFile: String?

  @Option(help: ArgumentHelp("PEM file of that certificate's key.", valueName: "path"))
  var redisKeyFile: String?

  @Flag(
    help: "For development only: trust any certificate (CONNECT_REDIS_TLS_INSECURE=true).")
  var redisTLSInsecure = false
}

/// Address of a second Redis, for commands that support two.
struct RegistryOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      A second Redis, for all that belongs to a user: sessions, mailboxes, cursors, positions \
      (default: none, all is in one). The bus stays at --redis-url. Part of the data: the same for \
      every service, and not to be changed later. User, password and certificates are those of \
      --redis-user and so on; a user or password in this URL goes before them. What it is, a \
      server or a cluster, it is asked.
      """,
      valueName: "url"))
  var registryRedisURL: String?
}

/// The address of Redis, the login, and the certificates to trust.
extension SettingValues {
  /// Either one Redis or two.
  func redisPlaces() throws(Failure) -> RedisPlaces {
    guard var url = try self.url(.registryRedisURL) else {
      return RedisPlaces(bus: try self.redis())
    }
    let bus = try self.redis(besides: url)
    if url.addresses.count > 1, url.database != 0 {
      throw self.failure(.registryRedisURL, "a cluster has only database 0, not \(url.database)")
    }
    // What the two share must not take away what is said of this one alone.
    let passwordFile = url.password == nil ? self.text(.redisPasswordFile) : nil
    url.user = url.user ?? self.text(.redisUser)
    let password = try self.secretText(.redisPassword)
    url.password = url.password ?? password
    // Whether certificates are for any of the two was asked for the bus.
    return RedisPlaces(
      bus: bus,
      registry: try self.configuration(url, mode: .auto, passwordFile: passwordFile, isTLS: true))
  }

  /// Nil if no setting gives the address of Redis.
  func givenRedis() throws(Failure) -> RedisConfiguration? {
    self.text(.redisURL) == nil ? nil : try self.redis()
  }

  /// - Parameter other: Another Redis, to which the certificates may belong.
  func redis(besides other: RedisURL? = nil) throws(Failure) -> RedisConfiguration {
    var url = try self.url(.redisURL) ?? RedisURL(host: "127.0.0.1")
    url.user = self.text(.redisUser) ?? url.user
    url.password = try self.secretText(.redisPassword) ?? url.password
    let mode = try self.word(
      .redisMode, ["auto": RedisMode.auto, "single": .single, "cluster": .cluster])
    if mode == .cluster || url.addresses.count > 1, url.database != 0 {
      throw self.failure(.redisURL, "a cluster has only database 0, not \(url.database)")
    }
    if mode == .single, url.addresses.count > 1 {
      throw self.failure(
        .redisURL,
        "several hosts are a cluster, and \(Setting.redisMode.flag) is single; name one host, or "
          + "leave the mode at auto")
    }
    return try self.configuration(
      url, mode: mode ?? .auto, passwordFile: self.text(.redisPasswordFile),
      isTLS: url.isTLS || other?.isTLS == true)
  }

  private func url(_ setting: Setting) throws(Failure) -> RedisURL? {
    guard let text = self.text(setting) else { return nil }
    do throws(RedisURL.Malformed) {
      return try RedisURL(parsing: text)
    } catch {
      throw self.failure(setting, error.description)
    }
  }

  /// - Parameter isTLS: Whether any connection uses TLS, to this or another Redis.
  private func configuration(
    _ url: RedisURL, mode: RedisMode, passwordFile: String?, isTLS: Bool
  ) throws(Failure) -> RedisConfiguration {
    let tls = try self.redisTLS(isUsed: isTLS)
    // One that is not there yet, or empty, is waited for as Redis is.
    if let path = passwordFile,
      case .failure(let reason) = SecretFile.text(of: path, limit: RedisLimits.maximumPasswordBytes),
      reason.isLasting
    {
      throw self.failure(.redisPasswordFile, "cannot read \(path): \(reason)")
    }
    do throws(TLSError) {
      return try RedisConfiguration(url: url, mode: mode, passwordFile: passwordFile, tls: tls)
    } catch {
      throw .usage("TLS to Redis: \(error)")
    }
  }

  private func redisTLS(isUsed: Bool) throws(Failure) -> TLSConfiguration {
    let isInsecure = try self.flag(.redisTLSInsecure)
    let caFile = self.text(.redisCAFile)
    let certificate = self.text(.redisCertificateFile)
    let key = self.text(.redisKeyFile)
    if !isUsed {
      // A certificate that protects nothing would be believed to.
      for setting in [Setting.redisCAFile, .redisCertificateFile, .redisKeyFile]
      where self.text(setting) != nil {
        throw self.failure(setting, "needs a URL that begins with rediss://")
      }
    }
    if isInsecure, caFile != nil {
      throw self.failure(
        .redisTLSInsecure, "contradicts \(Setting.redisCAFile.flag); give one of them")
    }
    guard (certificate == nil) == (key == nil) else {
      throw .usage(
        "\(Setting.redisCertificateFile.flag) and \(Setting.redisKeyFile.flag) go together; give "
          + "both or neither")
    }
    return TLSConfiguration(
      trust: isInsecure ? .anybody : caFile.map { .file($0) } ?? .system,
      certificateFile: certificate, keyFile: key)
  }
}
