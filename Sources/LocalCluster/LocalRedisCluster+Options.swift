import LocalRedis

extension LocalRedisCluster {
  /// Size of a private cluster, and options that make it differ from the default.
  package struct Options: Sendable, Hashable {
    /// Primaries, which share the slots evenly. Redis needs three for an automatic failover.
    package var primaries = 3
    package var replicasPerPrimary = 0
    /// After how long a node that does not answer is taken for dead, in milliseconds. A failover takes
    /// two to four times as long. By default so long that a busy machine makes no node seem dead.
    package var nodeTimeoutMilliseconds = 10_000
    /// The same where a failover is waited for.
    package static let shortNodeTimeoutMilliseconds = 1_000
    /// Data that survives a node's process beside its view of the cluster, which always does. In a
    /// given directory each node has one of its own.
    package var persistence: LocalRedisServer.Persistence = .none
    /// TLS beside plain connections; nil for plain only.
    package var tls: TLSFiles?
    /// Users of every node beside the default one; see ``LocalRedisServer/Options/users``.
    package var users: [String] = []
    /// The name that nodes give to clients in redirects; nil for the address 127.0.0.1.
    package var announcesHostname: String?
    /// Whether all nodes refuse commands while any slot has no primary.
    package var requiresFullCoverage = true
    /// Further arguments for every node. They follow ours, and so override them.
    package var extraArguments: [String] = []
    /// Path of redis-server; nil for the one in `PATH`.
    package var executable: String?
    /// Where the nodes stay, primaries first: all of them, or none. What a place says of its node holds
    /// instead of persistence, TLS, users and arguments; and no node is added to such a cluster.
    package var places: [LocalRedisServer.Place] = []
    /// Whether the places hold a cluster already, which only goes on.
    package var isMade = false

    /// Three primaries without replicas and without persistence.
    package init() {}
  }
}

extension LocalRedisCluster.Options {
  func node(_ number: Int) -> LocalRedisServer.Options {
    if !places.isEmpty {
      var options = LocalRedisServer.Options(executable: executable)
      options.place = places[number]
      return options
    }
    var options = LocalRedisServer.Options(
      persistence: persistence, tls: tls, users: users, extraArguments: nodeArguments,
      executable: executable)
    if case .appendOnly(.some(let directory), let fsync) = persistence {
      options.persistence = .appendOnly(directory: "\(directory)/node-\(number)", fsync: fsync)
    }
    return options
  }

  private var nodeArguments: [String] {
    var arguments = [
      "--cluster-enabled", "yes",
      "--cluster-config-file", ClusterView.fileName,
      "--cluster-node-timeout", "\(nodeTimeoutMilliseconds)",
      "--cluster-require-full-coverage", requiresFullCoverage ? "yes" : "no",
      // Five seconds by default, for replicas that come later to share one snapshot.
      "--repl-diskless-sync-delay", "0",
    ]
    if tls != nil {
      // Only so does a node know both ports of the others, and name to each client those of its
      // kind. Replication then goes to the port that speaks TLS, and must speak it.
      arguments += ["--tls-cluster", "yes", "--tls-replication", "yes"]
    }
    if let announcesHostname {
      arguments += [
        "--cluster-announce-hostname", announcesHostname,
        "--cluster-preferred-endpoint-type", "hostname",
      ]
    }
    return arguments + extraArguments
  }
}
