import Foundation
import LocalRedis

extension LocalRedisCluster {
  /// Waits until every node that runs says that the cluster is ready, all of them agree on who owns
  /// which slot and who replicates whom, and every replica whose primary runs is in sync.
  ///
  /// When it does not come to that within a minute, the error says what is missing.
  package func waitUntilOK() async throws(LocalRedisError) {
    try await wait(for: "the cluster is ready") { () throws(LocalRedisError) in
      let reports = try await reports()
      return missing(in: reports) ?? laggard(in: reports)
        ?? reports.first { !$0.isOK }.map {
          "the node on port \($0.member.server.port) says that it is not"
        }
    }
  }

  /// Waits, after a node was killed or paused, until a replica has taken its slots and every other
  /// node that runs knows, and returns that replica.
  package func waitForPromotion(
    of dead: LocalRedisServer
  ) async throws(LocalRedisError) -> LocalRedisServer {
    let dead = try member(dead)
    // Its own view, of when it ended: to the others it may have no slots any more.
    let file = dead.server.dataDirectory + "/" + ClusterView.fileName
    let lastView = ClusterView(parsing: (try? String(contentsOfFile: file, encoding: .utf8)) ?? "")
    guard let slot = lastView.myself?.slots.first?.lowerBound else {
      throw .impossible(reason: "the node on port \(dead.server.port) was not a primary with slots")
    }
    var promoted: Member?
    try await wait(for: "a replica takes the place of its primary") { () throws(LocalRedisError) in
      let reports = try await reports()
      if let missing = missing(in: reports) { return missing }
      guard let owner = reports.first?.view.owner(of: slot), owner.id != dead.id else {
        return "none has"
      }
      promoted = members.first { $0.id == owner.id }
      return nil
    }
    guard let promoted else { throw .impossible(reason: "slot \(slot) went to a stranger") }
    noteElection(of: promoted)
    return promoted.server
  }

  /// Waits until nothing is missing any more. A node that does not answer, or refuses, counts as
  /// missing something: it may be busy with becoming what is waited for.
  func wait(
    for goal: String, within limit: Duration = LocalClusterLimits.clusterSettling,
    until missing: () async throws(LocalRedisError) -> String?
  ) async throws(LocalRedisError) {
    let deadline = ContinuousClock.now + limit
    while true {
      let rest: String
      do throws(LocalRedisError) {
        guard let missing = try await missing() else { return }
        rest = missing
      } catch .unanswered(let command, let port, let cause) {
        rest = "\(LocalRedisError.unanswered(command: command, port: port, cause: cause))"
      } catch .errorReply(let command, let port, let reply) {
        rest = "\(LocalRedisError.errorReply(command: command, port: port, reply: reply))"
      }
      if ContinuousClock.now > deadline {
        throw .unsettled(goal: goal, after: limit, missing: rest)
      }
      do {
        try await Task.sleep(for: LocalClusterLimits.clusterPoll)
      } catch {
        throw .cancelled
      }
    }
  }

  /// The answers of one running node.
  struct Report {
    let member: Member
    let view: ClusterView
    /// The node reports that the cluster is ready.
    let isOK: Bool
    /// The node is a primary, or has received everything that its primary had when it connected.
    let isInSync: Bool
  }

  func reports() async throws(LocalRedisError) -> [Report] {
    var reports: [Report] = []
    for member in running {
      let view = try await member.view()
      let info = try await member.server.command("CLUSTER", "INFO").string ?? ""
      let replication = try await member.server.command("INFO", "replication").string ?? ""
      reports.append(
        Report(
          member: member, view: view, isOK: info.contains("cluster_state:ok"),
          isInSync: replication.contains("role:master")
            || replication.contains("master_link_status:up")))
    }
    return reports
  }

  /// The reason why the running nodes do not agree on the cluster; nil if they do.
  func missing(in reports: [Report]) -> String? {
    let ids = Set(members.map(\.id))
    let running = Set(reports.map(\.member.id))
    for report in reports {
      let port = report.member.server.port
      let nodes = report.view.nodes
      if Set(nodes.keys) != ids { return "the node on port \(port) does not know just the others" }
      if nodes.values.contains(where: { running.contains($0.id) && !$0.isWell }) {
        return "the node on port \(port) takes a node for dead that runs"
      }
      // Whom an ended node replicates is of no concern, and may be remembered differently.
      let disputed = reports[0].view.nodes.values.first { first in
        let node = nodes[first.id]
        return node?.slots != first.slots
          || (node?.primary != first.primary && running.contains(first.id))
      }
      if let disputed {
        return """
          the nodes on ports \(port) and \(reports[0].member.server.port) differ: one has \
          \(nodes[disputed.id].map { "\($0)" } ?? "nothing"), the other \(disputed)
          """
      }
    }
    return nil
  }

  /// The reason why replicas are not in sync; nil if they are. One whose primary has ended cannot
  /// be.
  func laggard(in reports: [Report]) -> String? {
    let running = Set(reports.map(\.member.id))
    let laggard = reports.first { report in
      guard let primary = report.view.myself?.primary else { return false }
      return running.contains(primary) && !report.isInSync
    }
    return laggard.map { "the replica on port \($0.member.server.port) is not in sync" }
  }
}
