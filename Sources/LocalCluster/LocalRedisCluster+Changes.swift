import LocalRedis

extension LocalRedisCluster {
  /// Makes a replica of a running primary take its place, and returns it once every node that runs
  /// knows and the former primary is its replica, in sync.
  ///
  /// The two hand over without losing a write (CLUSTER FAILOVER). It takes about half a second, but
  /// the same replica can take over only once in 4 seconds, or four node timeouts: this waits for
  /// that.
  package func failOver(
    _ primary: LocalRedisServer
  ) async throws(LocalRedisError) -> LocalRedisServer {
    let primary = try member(primary)
    let reports = try await reports()
    let replica = reports.first { $0.isInSync && $0.view.myself?.primary == primary.id }?.member
    guard let replica else {
      throw .impossible(reason: "the node on port \(primary.server.port) has no replica in sync")
    }
    if let next = nextElection(of: replica) {
      do { try await Task.sleep(until: next) } catch { throw .cancelled }
    }
    let deadline = ContinuousClock.now + LocalClusterLimits.clusterSettling
    while true {
      do throws(LocalRedisError) {
        if try await replica.view().myself?.isPrimary == false {
          try await replica.server.command("CLUSTER", "FAILOVER")
        }
        try await waitUntilPrimary(replica, within: LocalClusterLimits.failOver)
        break
      } catch .unsettled where ContinuousClock.now < deadline {
        // Redis has given it up, as it may when the others are slow to vote.
      }
    }
    noteElection(of: replica)
    try await wait(for: "the former primary is a replica in sync") { () throws(LocalRedisError) in
      laggard(in: try await self.reports())
    }
    return replica.server
  }

  private func waitUntilPrimary(
    _ member: Member, within limit: Duration
  ) async throws(LocalRedisError) {
    try await wait(for: "a replica is primary", within: limit) { () throws(LocalRedisError) in
      let reports = try await reports()
      if let missing = missing(in: reports) { return missing }
      let slots = reports.first?.view.nodes[member.id]?.slots ?? []
      return slots.isEmpty ? "the one on port \(member.server.port) is not" : nil
    }
  }

  /// Starts an empty primary, and returns it once all nodes that run know it, and it takes commands.
  ///
  /// It owns no slot until some are given to it; see ``migrate(slot:to:keysPerStep:betweenSteps:)``.
  package func addPrimary() async throws(LocalRedisError) -> LocalRedisServer {
    let server = try await LocalRedisServer.start(options.node(nextNumber()))
    do throws(LocalRedisError) {
      let member = try await Member(asking: server)
      for other in running { try await member.meet(other) }
      append(member)
    } catch {
      await server.stop()
      throw error
    }
    try await waitUntilIntroduced()
    try await waitUntilOK()
    return server
  }

  /// Makes all other nodes forget one that owns no slots and has no replicas, then stops it.
  ///
  /// A primary that has given away its last slot has become a replica by itself: of the node that
  /// took it. All others must run, or they would bring it back when they do again.
  package func remove(_ node: LocalRedisServer) async throws(LocalRedisError) {
    let member = try member(node)
    let others = members.filter { $0.id != member.id }
    guard others.allSatisfy(\.server.isRunning) else {
      throw .impossible(reason: "a node can be removed only while all others run")
    }
    let view = try await latestView()
    guard view.nodes[member.id]?.slots.isEmpty == true else {
      throw .impossible(reason: "the node on port \(node.port) owns slots: migrate them first")
    }
    guard !view.nodes.values.contains(where: { $0.primary == member.id }) else {
      throw .impossible(reason: "the node on port \(node.port) has replicas: remove them first")
    }
    for other in others { try await other.server.command("CLUSTER", "FORGET", member.id) }
    drop(member)
    await node.stop()
    try await wait(for: "all have forgotten the node") { () throws(LocalRedisError) in
      missing(in: try await reports())
    }
  }
}
