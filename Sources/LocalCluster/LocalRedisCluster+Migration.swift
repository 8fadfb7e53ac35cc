import LocalRedis

extension LocalRedisCluster {
  /// Moves a slot to another primary while clients use it, and returns once all nodes that run know.
  ///
  /// Meanwhile the slot's owner answers for the keys that it still has, and sends clients to the
  /// other node for one command (ASK) for those that it has not. At the end the slot changes hands, and
  /// clients that come to the former owner are told so (MOVED).
  ///
  /// - Parameters:
  ///   - keysPerStep: How many keys move at once.
  ///   - betweenSteps: Called before each step and before the slot changes hands: once at least, also
  ///     for a slot without keys. If it throws, the slot stays as it is then, partly moved; calling
  ///     this function again goes on with it.
  package func migrate(
    slot: Int, to target: LocalRedisServer, keysPerStep: Int = 10,
    betweenSteps: @Sendable () async throws -> Void = {}
  ) async throws {
    let target = try member(target)
    let source = try member(try await primary(of: slot))
    guard source.id != target.id else { return }
    try await target.setSlot(slot, "IMPORTING", source.id)
    try await source.setSlot(slot, "MIGRATING", target.id)
    while true {
      try await betweenSteps()
      let keys = try await source.keys(of: slot, limit: keysPerStep)
      if keys.isEmpty { break }
      try await source.migrate(keys, to: target)
    }
    // The new owner first, then the former one: in between both send clients to the new one. The
    // others would hear of it by themselves, a little later.
    try await target.setSlot(slot, "NODE", target.id)
    try await source.acknowledge(slot, isOf: target)
    for other in running where other.id != target.id && other.id != source.id {
      try await other.acknowledge(slot, isOf: target)
    }
    try await wait(for: "all know the slot's new owner") { () throws(LocalRedisError) in
      let reports = try await reports()
      if let missing = missing(in: reports) { return missing }
      let owner = reports.first?.view.owner(of: slot)
      return owner?.id == target.id ? nil : "another node owns slot \(slot)"
    }
  }
}

extension LocalRedisCluster.Member {
  fileprivate func setSlot(
    _ slot: Int, _ state: String, _ id: String
  ) async throws(LocalRedisError) {
    try await server.command("CLUSTER", "SETSLOT", "\(slot)", state, id)
  }

  /// Tells a primary of a slot's new owner. Replicas refuse, and hear of it from others: so does a
  /// primary that has become one by having lost its last slot, of which the new owner has told it.
  fileprivate func acknowledge(_ slot: Int, isOf owner: Self) async throws(LocalRedisError) {
    do throws(LocalRedisError) {
      try await setSlot(slot, "NODE", owner.id)
    } catch {
      guard try await view().myself?.isPrimary == false else { throw error }
    }
  }

  fileprivate func keys(of slot: Int, limit: Int) async throws(LocalRedisError) -> [String] {
    try await server.command("CLUSTER", "GETKEYSINSLOT", "\(slot)", "\(limit)")
      .array?.compactMap(\.string) ?? []
  }

  fileprivate func migrate(_ keys: [String], to target: Self) async throws(LocalRedisError) {
    let milliseconds = Int(LocalClusterLimits.migrate / .milliseconds(1))
    // The target's port that speaks what the nodes speak among themselves.
    let reply = try await server.command(
      ["MIGRATE", "127.0.0.1", "\(target.port)", "", "0", "\(milliseconds)", "KEYS"] + keys,
      within: LocalClusterLimits.migrate * 2)
    // One that has expired meanwhile is not missed. None at all of several would be strange: their
    // names are not UTF-8.
    if reply.string == "NOKEY", keys.contains(where: { $0.contains("\u{fffd}") }) {
      throw .impossible(reason: "a key whose name is not UTF-8 cannot be moved")
    }
  }
}
