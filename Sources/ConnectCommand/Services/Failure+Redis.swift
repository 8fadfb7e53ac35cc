import MessageBus
import Redis
import Settings

/// Messages for an operator when Redis refuses service: what is wrong, and what to change.
extension Failure {
  /// - Parameters:
  ///   - url: of the Redis that it is about.
  ///   - setting: the one that names that Redis.
  init(_ error: RedisError, at url: RedisURL, _ setting: Setting) {
    switch error {
    case .server(let reply):
      self = Self.refusal(reply, at: url, setting)
    case .unanswered, .unexpectedReply:
      self.init(
        .unavailable,
        "\(url): \(error); see whether Redis is what answers there, or give its place with "
          + setting.flag)
    case .unavailable where error.isOfPasswordFile:
      self.init(
        .unavailable,
        "\(url): \(error); write it, or name another with \(Setting.redisPasswordFile.flag)")
    case .unavailable where error.isOfTLS, .unconfirmed:
      // It says what to do.
      self.init(.unavailable, "\(url): \(error)")
    case .unavailable, .withheld:
      self.init(
        .unavailable, "\(url): \(error); start Redis there, or give its place with \(setting.flag)")
    }
  }

  private static func refusal(
    _ reply: RedisServerError, at url: RedisURL, _ setting: Setting
  ) -> Failure {
    if let command = reply.unknownCommand {
      return .unknownCommands([command], at: url, setting)
    }
    if let failure = Self.loginRefusal(reply, at: url, setting) { return failure }
    switch reply.code {
    case "NOPERM":
      return Failure(.refused, "\(url): \(reply); \(Self.rightsAdvice)")
    case "MOVED":
      return .usage("\(url): \(RedisServerError.clusterAdvice)")
    case "READONLY":
      return Failure(
        .unavailable,
        "\(url): is a replica, which takes no writes; name its primary, or an endpoint that follows "
          + "the primary, with \(setting.flag)")
    case "OOM", "MISCONF", "NOREPLICAS":
      return Failure(
        .unavailable, "\(url): Redis takes no writes: \(reply) See to its memory, disk and replicas"
      )
    default:
      if reply.saysNoCluster {
        return .usage(
          "\(url): is one server and no cluster; name one host, and no --redis-mode cluster")
      }
      if reply.saysNoConnections {
        return Failure(
          .unavailable,
          "\(url): Redis has as many connections as it may have; raise its maxclients, or see who "
            + "has them (CLIENT LIST): Redis.md#Connections says how many Connect has")
      }
      if reply.isStarting {
        return Failure(
          .unavailable, "\(url): Redis refused: \(reply); see why Redis does not get ready")
      }
      // A database that does not exist, say: waiting does not help.
      return .usage("\(url): \(reply); check \(setting.flag)")
    }
  }

  private static func loginRefusal(
    _ reply: RedisServerError, at url: RedisURL, _ setting: Setting
  ) -> Failure? {
    let settings = "--redis-password-file, CONNECT_REDIS_PASSWORD, or that of \(setting.flag)"
    let text: String
    switch reply.code {
    case "WRONGPASS":
      text =
        "\(reply); check the user and password: --redis-user, --redis-password-file, "
        + "CONNECT_REDIS_PASSWORD, or those of \(setting.flag)"
    case "NOAUTH":
      text = "\(reply) Give the password: \(settings)"
    case "DENIED":
      text =
        "Redis is in protected mode, and takes connections from its own machine only; give it a "
        + "password (requirepass) or users (ACL SETUSER), and that to Connect: \(settings)"
    default:
      if reply.saysNoPassword {
        text =
          "a password is given, and Redis's default user has none; leave it out (\(settings)), name "
          + "the user that it belongs to with --redis-user, or set requirepass in Redis"
      } else if reply.saysNoUsers {
        text =
          "a user is given, and this Redis knows no users, so it is older than 6; Connect needs 7.0"
      } else {
        return nil
      }
    }
    return Failure(.refused, "\(url): \(text)")
  }

  fileprivate static func unknownCommands(
    _ names: [String], forbidden: [String] = [], at url: RedisURL, _ setting: Setting
  ) -> Failure {
    var text =
      "\(url): Redis does not know \(names.joined(separator: ", ")); give back the names that "
      + "rename-command has taken, or use Redis 7.0 or newer"
    if names.contains(where: { $0.uppercased() == "CLUSTER" }), setting == .redisURL {
      text += ". One server does without CLUSTER if --redis-mode is single"
    }
    if !forbidden.isEmpty { text += ". And \(Self.lacksRights(forbidden))" }
    return .usage(text)
  }

  /// The message for missing commands without which a service cannot work.
  init(_ missing: CommandsNeeded.Missing, at url: RedisURL, _ setting: Setting) {
    guard missing.unknown.isEmpty else {
      self = .unknownCommands(missing.unknown, forbidden: missing.forbidden, at: url, setting)
      return
    }
    self.init(.refused, "\(url): \(Self.lacksRights(missing.forbidden))")
  }

  private static func lacksRights(_ commands: [String]) -> String {
    "the user has no permission to run \(commands.joined(separator: ", ")); \(Self.rightsAdvice)"
  }

  private static let rightsAdvice =
    "the rights that Connect needs are in Redis.md#Rights, as a ready ACL line"
}

extension RedisServerError {
  /// Advice if a node of a cluster was taken for a single server.
  static let clusterAdvice = "is a node of a cluster; leave --redis-mode at auto, or say cluster"

  /// Whether it may serve us soon, without anybody changing a setting: it is starting, fails over, or
  /// others give their connections back.
  var isPassing: Bool {
    self.isStarting || self.saysNoConnections || self.code == "READONLY"
  }

  /// Whether Redis is not ready yet.
  fileprivate var isStarting: Bool {
    ["LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY"].contains(String(self.code))
  }

  fileprivate var saysNoConnections: Bool {
    self.message.hasPrefix("ERR max number of clients")
  }

  /// In the words of Redis 6 and later, and of earlier ones.
  fileprivate var saysNoPassword: Bool {
    self.message.hasPrefix("ERR AUTH <password> called without any password")
      || self.message.hasPrefix("ERR Client sent AUTH, but no password is set")
  }

  fileprivate var saysNoUsers: Bool {
    self.message == "ERR wrong number of arguments for 'auth' command"
  }
}
