import NIOCore
import Redis

/// The commands without which a service cannot work, and whether Redis has them all for us: one that
/// was renamed, or that the user may not run, would else show one by one, in the middle of the work.
package enum CommandsNeeded {
  package struct Missing: Sendable, Hashable {
    /// Commands that do not exist: they were renamed or disabled, or Redis is too old.
    package var unknown: [String] = []
    /// Commands to which the user has no right.
    package var forbidden: [String] = []

    package init() {}

    package var isEmpty: Bool { self.unknown.isEmpty && self.forbidden.isEmpty }
  }

  /// Looks at one server of a Redis. Executes nothing.
  ///
  /// - Throws: what keeps Redis from answering, or that it takes no writes (`READONLY`).
  package static func missing(
    of configuration: RedisConfiguration, keys: Keys, durability: Durability,
    on eventLoop: any EventLoop
  ) async throws(RedisError) -> Missing {
    let calls = Self.calls(key: "\(keys.partitionCount)", durability: durability)
    let names = calls.map(\.name) + ["exec"]
    let refusals: [RedisServerError?]
    do throws(RedisError) {
      refusals = try await CommandCheck.refusals(
        of: calls.map(\.words), by: configuration, on: eventLoop)
    } catch {
      guard case .server(let refusal) = error else { throw error }
      // Before it could ask for the others.
      let missing = try Self.missing(["multi"], [refusal])
      guard !missing.isEmpty else { throw error }
      return missing
    }
    return try Self.missing(names, refusals)
  }

  private static func missing(
    _ names: [String], _ refusals: [RedisServerError?]
  ) throws(RedisError) -> Missing {
    var missing = Missing()
    for (name, refusal) in zip(names, refusals) {
      guard let refusal else { continue }
      if refusal.code == "READONLY" { throw .server(refusal) }
      if refusal.saysUnknownCommand { missing.unknown.append(name) }
      if refusal.saysForbiddenCommand { missing.forbidden.append(name) }
    }
    return missing
  }

  /// Each with as many arguments as it takes. Not those of the login, which has been by then, nor
  /// `ASKING`, which only a cluster has; nor `MEMORY USAGE`, without which messaging goes on.
  static func calls(key: String, durability: Durability) -> [(name: String, words: [String])] {
    let arguments: [(name: String, arguments: [String])] = [
      ("xadd", [key, "*", "m", "x"]), ("xrange", [key, "-", "+"]), ("xrevrange", [key, "+", "-"]),
      ("xlen", [key]), ("xgroup|create", [key, "g", "$"]), ("xgroup|setid", [key, "g", "$"]),
      ("xgroup|destroy", [key, "g"]), ("xread", ["STREAMS", key, "0"]),
      ("xreadgroup", ["GROUP", "g", "c", "STREAMS", key, ">"]),
      ("xpending", [key, "g"]), ("xtrim", [key, "MAXLEN", "0"]), ("xinfo|stream", [key]),
      ("xinfo|groups", [key]), ("time", []), ("hget", [key, "f"]), ("hset", [key, "f", "x"]),
      ("hmget", [key, "f"]), ("hgetall", [key]), ("hdel", [key, "f"]), ("hexists", [key, "f"]),
      ("hincrby", [key, "f", "1"]), ("hlen", [key]), ("hrandfield", [key]),
      ("hsetnx", [key, "f", "x"]), ("expire", [key, "1"]), ("pexpire", [key, "1"]),
      ("del", [key]), ("set", [key, "x"]), ("get", [key]), ("sadd", [key, "m"]),
      ("srem", [key, "m"]), ("smembers", [key]), ("srandmember", [key]), ("exists", [key]),
      ("ttl", [key]), ("eval", ["return 1", "1", key]),
      ("evalsha", [String(repeating: "0", count: 40), "1", key]), ("script|load", ["return 1"]),
    ]
    let replicas = durability.replicas > 0 ? [("wait", ["0", "0"])] : []
    return (arguments + replicas).map { name, arguments in
      (name, name.split(separator: "|").map { $0.uppercased() } + arguments)
    }
  }
}

extension RedisServerError {
  /// Whether the user may not run the command, whatever its keys are.
  fileprivate var saysForbiddenCommand: Bool {
    self.code == "NOPERM" && self.message.contains("permissions to run")
  }
}
