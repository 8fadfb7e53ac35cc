import Settings

/// The HAProxy of a stand, through its admin socket.
struct StandBalancer: Sendable {
  let port: Int

  /// Whether clients are sent to a place.
  func isUp(_ server: Server) async -> Bool {
    await self.statistic("status", of: server) == "UP"
  }

  /// Number of connections of a place, as text.
  func sockets(_ server: Server) async -> String { await self.statistic("scur", of: server) ?? "?" }

  /// Has HAProxy take a place for down until it has seen otherwise. (From maintenance alone it would
  /// come back as healthy, whoever is there.)
  func forgetHealth(_ server: Server) async throws(Failure) {
    try await self.run(
      "set server \(server) state drain; set server \(server) health down; "
        + "set server \(server) state ready")
  }

  /// Sends no new connections to a place; those that are open stay.
  ///
  /// HAProxy's `drain` would still let in clients that show the cookie of this gateway; an ALB does not.
  func takeOut(_ server: Server) async throws(Failure) {
    try await self.run("set server \(server) state maint")
  }

  func cut(_ server: Server) async throws(Failure) {
    try await self.run("shutdown sessions server \(server)")
  }

  /// A server in HAProxy's configuration.
  struct Server: Sendable, CustomStringConvertible {
    let service: Deployment.Service
    let place: Int

    fileprivate var backend: String { self.service == .gateway ? "gateways" : "messaging" }
    fileprivate var name: String { "\(self.service.rawValue)-\(self.place)" }
    /// HAProxy's name for it.
    var description: String { "\(self.backend)/\(self.name)" }
  }

  /// A value from HAProxy's statistics of a place; nil if it does not answer.
  private func statistic(_ column: String, of server: Server) async -> String? {
    guard let answer = try? await Loopback.ask(self.port, "show stat \(server.backend) 4 -1\n")
    else { return nil }
    let rows = answer.split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
    guard let index = rows.first?.firstIndex(where: { $0 == column }),
      let row = rows.first(where: { $0.count > index && $0[1] == server.name })
    else { return nil }
    return String(row[index])
  }

  /// Runs commands of HAProxy, which answers nothing unless they fail.
  private func run(_ commands: String) async throws(Failure) {
    let answer: String
    do {
      answer = try await Loopback.ask(self.port, "\(commands)\n")
    } catch {
      throw Failure(.running, "the load balancer does not answer: \(error)")
    }
    guard answer.allSatisfy(\.isWhitespace) else {
      throw Failure(.running, "the load balancer, asked for '\(commands)', said: \(answer)")
    }
  }
}

extension Deployment.Instance {
  /// Its place in the load balancer.
  var server: StandBalancer.Server {
    StandBalancer.Server(service: self.service, place: self.place)
  }
}
