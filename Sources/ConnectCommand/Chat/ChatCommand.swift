import ArgumentParser
import ConnectClient
import ConnectProtocol
import Foundation
import Gateway
import Settings

/// The terminal client: for people, and for pipes with `--lines`.
struct ChatCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chat",
    abstract: "Chats from the terminal, or from a pipe.",
    discussion: """
      With `connect dev` running:

          connect chat --as alice --to bob

      Each line that you type is a message. Ticks: … waiting, ✓ taken by the server, ✓✓ received by \
      a device, ✗ not sent. Ctrl-D ends when all is sent, Ctrl-C at once. `/history 50` shows the last \
      messages of the conversation, `/who` who of those you wrote with is online.

      In a pipe, one line is one message, and nothing but the texts received goes to standard output:

          seq 1000 | connect chat --as alice --to bob --lines
          connect chat --as bob --to alice --lines --listen --count 1000
      """)

  private enum Default {
    static let url = "ws://127.0.0.1:8080"
  }

  @Option(name: .customLong("as"), help: "The user you are.", transform: ArgumentRules.user)
  var user: UserName

  @Option(help: "The user you talk to.", transform: ArgumentRules.user)
  var to: UserName

  @Option(
    help: ArgumentHelp(
      "Where the gateway is: ws:// or wss:// (default: \(Default.url)).", valueName: "ws://…"),
    transform: ArgumentRules.gateway)
  var url = ConnectEndpoint(Default.url)!

  @Option(
    help: ArgumentHelp(
      "Authorities to trust for wss://, as PEM, instead of the system's.", valueName: "file"))
  var caFile: String?

  @Option(
    help: """
      Which of your devices this is. Each gets all messages; a second chat with the same one \
      replaces the first (default: \(DeviceName.default)).
      """,
    transform: ArgumentRules.device)
  var device: DeviceName = .default

  @Option(
    help: """
      A token, better given as CONNECT_TOKEN. By default one is made with the development secret.
      """)
  var token: String?

  @OptionGroup var auth: AuthOptions

  @Flag(
    help: """
      For pipes: a message per line of input, which must be UTF-8; of what is received the text, a \
      line each. Ends at the end of the input, when all is accepted.
      """)
  var lines = false

  @Flag(help: "Read no input: only receive, until interrupted or --count.")
  var listen = false

  @Option(
    help: "End once so many messages were received and acked, not at the end of input.",
    transform: ArgumentRules.wholeNumber(1...Int.max))
  var count: Int?

  func run() async throws {
    // Writing to a pipe that nobody reads any more is an error to look at, not a reason to die.
    signal(SIGPIPE, SIG_IGN)
    try await self.exiting {
      var configuration = self.clientConfiguration
      configuration.transportSecurity = try self.transportSecurity()
      let client = ConnectClient(
        configuration: configuration, user: self.user, token: try await self.makeTokens())
      let interrupts = Interrupts { client.close() }
      defer { interrupts.stop() }
      let session = ChatSession(
        client: client, user: self.user, peer: self.to, endpoint: self.url,
        options: self.sessionOptions)
      try await session.run()
    }
  }

  var clientConfiguration: ConnectClientConfiguration {
    ConnectClientConfiguration(endpoint: self.url, device: self.device)
  }

  /// Nil for that of the platform.
  private func transportSecurity() throws(Failure) -> ConnectTransportSecurity? {
    guard let caFile = self.caFile else { return nil }
    #if os(Linux)
      do throws(ConnectionEnd) {
        return try .authorities(inFile: caFile)
      } catch {
        throw .usage("--ca-file: \(error)")
      }
    #else
      throw .usage("--ca-file: here the authorities that the system trusts are used")
    #endif
  }

  var sessionOptions: ChatSession.Options {
    ChatSession.Options(isPipe: self.lines, readsInput: !self.listen, count: self.count)
  }

  /// The source of a token for each connection.
  private func makeTokens() async throws(Failure) -> @Sendable () async throws -> String {
    let given = self.token ?? ProcessInfo.processInfo.environment["CONNECT_TOKEN"]
    if let given, !given.isEmpty {
      // The server would take it, and one would chat under another name than the screen shows.
      if let subject = TokenSubject.of(given), subject != self.user.text {
        throw .usage(
          "\(self.token == nil ? "CONNECT_TOKEN" : "--token"): it is a token of "
            + "'\(ChatBody.visible(subject))', not of --as \(self.user)")
      }
      return { given }
    }
    let authenticator = await Authenticator(
      secret: try SettingValues(self.auth).developmentSecret())
    return { [user] in try await authenticator.token(for: user, seconds: 3_600) }
  }
}

/// Calls back on the first SIGINT or SIGTERM; the second ends the process as usual.
struct Interrupts {
  private let sources: [any DispatchSourceSignal]

  init(_ interrupted: @escaping @Sendable () -> Void) {
    self.sources = [SIGINT, SIGTERM].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        signal(number, SIG_DFL)
        interrupted()
      }
      source.resume()
      return source
    }
  }

  func stop() { for source in self.sources { source.cancel() } }
}
