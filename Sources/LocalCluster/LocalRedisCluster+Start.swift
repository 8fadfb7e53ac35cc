import LocalRedis

extension LocalRedisCluster {
  /// Slots of every Redis cluster.
  static let slotCount = 16_384

  /// Starts a cluster and returns once every node is ready, knows all others, and says that the
  /// cluster is, and every replica is in sync.
  ///
  /// That takes 2 to 3 seconds, of which 2 are a fixed delay of Redis: share a cluster where that is
  /// possible. When the task is cancelled meanwhile, all nodes are stopped.
  package static func start(
    _ options: Options = Options()
  ) async throws(LocalRedisError) -> LocalRedisCluster {
    precondition(options.primaries > 0 && options.replicasPerPrimary >= 0)
    let servers = try await launch(options)
    do throws(LocalRedisError) {
      var members: [Member] = []
      for server in servers { members.append(try await Member(asking: server)) }
      let cluster = LocalRedisCluster(options: options, members: members)
      if !options.isMade {
        try await cluster.shareSlots()
        try await cluster.introduceAll()
        try await cluster.assignReplicas()
      }
      try await cluster.waitUntilOK()
      return cluster
    } catch {
      await stop(servers)
      throw error
    }
  }

  /// Stops all nodes and removes their temporary directories.
  package func stop() async {
    await Self.stop(nodes)
  }

  /// Stops all nodes, then starts them again with their files, and returns once all is well as after
  /// ``start(_:)``.
  ///
  /// Without persistence they remember the cluster, and lose the data.
  package func restart() async throws(LocalRedisError) {
    let nodes = nodes
    await withTaskGroup { group in
      for node in nodes { group.addTask { await node.end() } }
    }
    let results = await withTaskGroup { group in
      for node in nodes {
        group.addTask { await result { () throws(LocalRedisError) in try await node.restart() } }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    for result in results { try result.get() }
    try await waitUntilOK()
  }

  private static func launch(
    _ options: Options
  ) async throws(LocalRedisError) -> [LocalRedisServer] {
    let count = options.primaries * (1 + options.replicasPerPrimary)
    let results = await withTaskGroup { group in
      for number in 0..<count {
        group.addTask {
          (
            number,
            await result { () throws(LocalRedisError) in
              try await LocalRedisServer.start(options.node(number))
            }
          )
        }
      }
      return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
    }
    do throws(LocalRedisError) {
      var servers: [LocalRedisServer] = []
      for number in 0..<count { servers.append(try results[number]!.get()) }
      return servers
    } catch {
      await stop(results.values.compactMap { try? $0.get() })
      throw error
    }
  }

  private static func stop(_ servers: [LocalRedisServer]) async {
    await withTaskGroup { group in
      for server in servers { group.addTask { await server.stop() } }
    }
  }

  /// Gives each primary its part of the slots, and each node an epoch of its own: nodes that start
  /// with the same one spend seconds on finding others.
  private func shareSlots() async throws(LocalRedisError) {
    for (number, member) in members.enumerated() {
      try await member.server.command("CLUSTER", "SET-CONFIG-EPOCH", "\(number + 1)")
      guard number < options.primaries else { continue }
      let first = number * Self.slotCount / options.primaries
      let end = (number + 1) * Self.slotCount / options.primaries
      try await member.server.command("CLUSTER", "ADDSLOTSRANGE", "\(first)", "\(end - 1)")
    }
  }

  /// Introduces every node to every other, which is faster than gossip.
  private func introduceAll() async throws(LocalRedisError) {
    let members = members
    for (number, member) in members.enumerated() {
      for other in members[(number + 1)...] { try await member.meet(other) }
    }
    try await waitUntilIntroduced()
  }

  /// Waits until all nodes that run know each other.
  ///
  /// A node forgets one that has not answered its greeting within the node timeout, as happens on a busy machine:
  /// it is introduced again.
  func waitUntilIntroduced() async throws(LocalRedisError) {
    let members = running
    let forgotten = Duration.milliseconds(max(options.nodeTimeoutMilliseconds, 1_000))
    var again = ContinuousClock.now + forgotten
    try await wait(for: "every node knows all others") { () throws(LocalRedisError) in
      let isDue = ContinuousClock.now >= again
      if isDue { again = ContinuousClock.now + forgotten }
      var missing: String?
      for member in members {
        let known = try await member.view().nodes
        for other in members where known[other.id] == nil {
          missing = "the node on port \(member.port) does not know the one on port \(other.port)"
          if isDue { try await member.meet(other) }
        }
      }
      return missing
    }
  }

  private func assignReplicas() async throws(LocalRedisError) {
    let members = members
    for (number, replica) in members[options.primaries...].enumerated() {
      let primary = members[number % options.primaries]
      try await wait(for: "a replica knows its primary") { () throws(LocalRedisError) in
        let known = try await replica.view().nodes[primary.id]
        return known?.isWell == true ? nil : "the node on port \(replica.server.port) does not"
      }
      try await replica.server.command("CLUSTER", "REPLICATE", primary.id)
    }
  }
}

extension LocalRedisCluster.Member {
  init(asking server: LocalRedisServer) async throws(LocalRedisError) {
    self.init(server: server, id: try await server.command("CLUSTER", "MYID").string ?? "")
  }

  func meet(_ other: Self) async throws(LocalRedisError) {
    let bus = other.server.busPort.map { ["\($0)"] } ?? []
    try await server.command(["CLUSTER", "MEET", "127.0.0.1", "\(other.port)"] + bus)
  }
}

/// The result of `work` as a value that can leave a task group.
private func result<Success: Sendable>(
  _ work: () async throws(LocalRedisError) -> Success
) async -> Result<Success, LocalRedisError> {
  do throws(LocalRedisError) { return .success(try await work()) } catch { return .failure(error) }
}
