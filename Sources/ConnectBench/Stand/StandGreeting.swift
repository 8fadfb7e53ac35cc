import ConnectProtocol
import Gateway
import Settings

/// Message of a stand once clients are served: where everything is, and what can be done.
struct StandGreeting {
  private let options: Stand.Options

  init(_ options: Stand.Options) { self.options = options }

  func text() async throws -> String {
    let ports = self.options.ports
    let connect = self.options.connect
    let state = self.options.directory.path
    let root = self.options.root
    let alice = try await self.token("alice")
    let bob = try await self.token("bob")
    let argument = state == defaultState(root: root) ? "" : " --state \(state)"
    let instances = StandLimits.instances
    return """

      Connect is up, \(instances) gateways behind HAProxy, \(instances) messaging instances, and a \
      Redis cluster of \(StandLimits.redisNodes) nodes.

        apps        ws://localhost:\(ports[.http])/v1/connect
                    wss://localhost:\(ports[.https])/v1/connect, signed by \(state)/certificates/ca.pem
        backends    http://localhost:\(ports[.api])/v1/messages, with the token in \
      \(state)/secrets/service-token
        statistics  http://localhost:\(ports[.statistics])
        gateways    \(self.management(.gatewayManagement))
        messaging   \(self.management(.messagingManagement))
                    each with /readyz, /healthz and /metrics. infra/local/roll moves them, and prints \
      where to
        logs        \(state)/logs

      Open both links, each in a tab, and chat:

        alice  http://localhost:\(ports[.http])/#user=alice&peer=bob&token=\(alice)

        bob    http://localhost:\(ports[.http])/#user=bob&peer=alice&token=\(bob)

      Or from two terminals, after `. \(state)/connect.env` in each:

        \(connect) chat --as alice --to bob --url ws://localhost:\(ports[.http])
        \(connect) chat --as bob --to alice --url ws://localhost:\(ports[.http])

      To look inside, and to make tokens for others (after the same):

        \(connect) inspect
        \(connect) token carol

      To restart everything in turn while they chat:

        \(root)/infra/local/roll\(argument)

      Stop with Ctrl-C.

      """
  }

  private func token(_ name: String) async throws -> String {
    guard let user = UserName(name) else { return "" }
    let secret = Array(try self.options.directory.secret("tokens").utf8)
    return try await Authenticator(secret: secret)
      .token(for: user, seconds: StandLimits.tokenSeconds)
  }

  /// Management ports of the first instances.
  private func management(_ kind: StandPorts.Kind) -> String {
    (1...StandLimits.instances).map { "http://localhost:\(self.options.ports[kind, $0])" }
      .joined(separator: " and ")
  }
}
