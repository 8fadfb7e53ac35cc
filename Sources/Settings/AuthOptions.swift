import ArgumentParser
import Gateway

/// Options of commands that check or make tokens.
package struct AuthOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      File with the secret of HS256 tokens, at least \(Authenticator.minimumSecretBytes) bytes (or \
      the secret itself in CONNECT_AUTH_SECRET). Only the commands for development do without: \
      they use the one that `connect dev` made.
      """,
      valueName: "path"))
  package var authSecretFile: String?

  package init() {}

  package var flags: [Setting: String] {
    [.authSecretFile: self.authSecretFile].compactMapValues { $0 }
  }
}
