import ArgumentParser
import MessageBus
import Settings

/// # ConnectCommand
///
/// The executable `connect`: both services, everything for development, and the tools.
///
/// - `Services/` runs the two services as processes of their own.
/// - `Development/` is `connect dev`, all in one process, and development tokens.
/// - `Health/` asks a service whether it is well.
/// - `Inspect/` shows operators what lies in Redis.
/// - `Chat/` is the terminal client.
@main
struct ConnectCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "connect",
    abstract: "Real-time 1-to-1 chat on Redis Streams.",
    discussion: """
      Start with `connect dev`: it runs everything in one process, with a Redis of its own, and \
      prints two links to open. `connect gateway` and `connect messaging` are the two services of \
      a deployment.

      Every option of the services can also be given as an environment variable: --redis-url as \
      CONNECT_REDIS_URL, and so on. A flag wins over the variable.

      Exit codes: 0 done, 1 failed while running or found nothing, 64 wrong usage or setting, 69 \
      Redis cannot be reached at start, 77 Redis refuses the user or password.
      """,
    version: ConnectVersion.text,
    subcommands: [
      DevCommand.self, GatewayCommand.self, MessagingCommand.self, TokenCommand.self,
      InspectCommand.self, HealthCommand.self, ChatCommand.self,
    ])

  static func main() async {
    await self.main(checking: CommandLine.arguments)
  }
}
