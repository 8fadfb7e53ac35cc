import ArgumentParser
import MessageBus
import Settings

/// # ConnectBench
///
/// The executable `connect-bench`, for who works on Connect or sizes a deployment: load, whole
/// deployments of separate processes that are hurt on purpose while people chat, and the count of what
/// became of every message. It runs the `connect` that lies beside it.
///
/// - `Measuring/` is what all benchmarks count, pace, show and report with: the ledger of what was
///   sent and what became of it, the times at which an open loop sends, latencies, reports.
/// - `Load/` is a steady load of messages or of idle connections, and what they cost; beside the messages,
///   users who ask for lists and history.
/// - `Curve/` is such loads at one rate after the other; `Drawing/` makes a picture of them.
/// - `Backlog/` is messages that wait for messaging.
/// - `Storm/` is clients that come back at once.
/// - `Mailboxes/` is what is stored and replayed.
/// - `Scale/` is deployments of several sizes.
/// - `Deployment/` is a Redis, gateways and messaging instances as child processes, and the load
///   balancer before them.
/// - `Chatters/` is users with one or two devices each, and senders that wait for no answer.
/// - `Stand/` is what `infra/local/up` and `infra/local/roll` run: a deployment as in production, behind
///   HAProxy, that goes on until Ctrl-C, and its rolling restarts.
/// - `Faults/` is what can be done to a deployment, the plan that does it, and the report.
///
/// There are three kinds of users who write, as each proves something else. A `BenchUser` is as cheap as a
/// user can be, so that a load of 60,000 messages per second leaves the machine to what is measured: one
/// event loop, no task, nothing sent twice; an `Asker`, who asks only, is of the same kind. A `ChatDevice` is an app with a `ConnectClient`, whose
/// reconnecting is under test. A `RawSender` sends again by the rules of the protocol, without a
/// client; for that it keeps all that is unanswered, in order.
@main
struct ConnectBench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "connect-bench",
    abstract: "Measures what Connect costs, and what it does when something fails.",
    discussion: """
      Starts a Redis, messaging and gateways of its own as child processes on this machine, unless \
      --url says where gateways run. Times are those of this machine, which also makes the load: \
      compare runs of one machine, and trust ratios and CPU time more than latencies.
      """,
    version: ConnectVersion.text,
    subcommands: [
      BenchChatCommand.self, BenchCurveCommand.self, BenchIdleCommand.self,
      BenchBacklogCommand.self, BenchStormCommand.self, BenchMailboxCommand.self,
      BenchScaleCommand.self, BenchFaultsCommand.self, StandCommand.self,
    ],
    defaultSubcommand: BenchChatCommand.self)

  static func main() async {
    await self.main(checking: CommandLine.arguments)
  }
}
