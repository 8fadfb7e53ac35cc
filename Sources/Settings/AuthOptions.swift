import ArgumentParser
import ConnectProtocol
import Foundation
import Gateway
import Redis

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
}

/// The secret before the present one, for the service that checks tokens.
package struct PreviousSecretOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      File with the secret before the present one: its tokens are taken, too (or the secret itself \
      in CONNECT_AUTH_PREVIOUS_SECRET).
      """,
      valueName: "path"))
  package var authPreviousSecretFile: String?

  package init() {}
}

extension SettingValues {
  /// File for the secret of `connect dev`, where `token`, `chat` and `connect-bench` find it.
  package static var developmentSecretPath: String {
    let environment = ProcessInfo.processInfo.environment
    let state =
      environment["XDG_STATE_HOME"].flatMap { $0.isEmpty ? nil : $0 }
      ?? "\(NSHomeDirectory())/.local/state"
    return "\(state)/connect/development.secret"
  }

  /// The configured secret: from the variable, else from the file.
  package func secret() throws(Failure) -> [UInt8]? {
    if let text = try self.secretText(.authSecret) {
      return try self.checked(Array(text.utf8), .authSecret)
    }
    guard let path = self.text(.authSecretFile) else { return nil }
    return try self.checked(try self.contents(of: path, .authSecretFile), .authSecretFile)
  }

  /// The previous secret, while tokens signed with it are in use.
  package func previousSecret() throws(Failure) -> [UInt8]? {
    if let text = try self.secretText(.authPreviousSecret) {
      return try self.checked(Array(text.utf8), .authPreviousSecret)
    }
    guard let path = self.text(.authPreviousSecretFile) else { return nil }
    let setting = Setting.authPreviousSecretFile
    return try self.checked(try self.contents(of: path, setting), setting)
  }

  /// The secret of a service; throws if none is configured.
  package func requiredSecret() throws(Failure) -> [UInt8] {
    guard let secret = try self.secret() else {
      throw .usage(
        """
        tokens need a secret: give --auth-secret-file PATH, or \(Setting.authSecret.variable). \
        One is made by: head -c 48 /dev/urandom | base64 > PATH
        """)
    }
    return secret
  }

  /// The configured secret, or the one that `connect dev` made.
  package func developmentSecret() throws(Failure) -> [UInt8] {
    if let secret = try self.secret() { return secret }
    let path = Self.developmentSecretPath
    guard FileManager.default.fileExists(atPath: path) else {
      throw .usage(
        """
        no secret for tokens: start `connect dev` first, which makes \(path), or give \
        --auth-secret-file or \(Setting.authSecret.variable)
        """)
    }
    return try self.checked(try self.contents(of: path, .authSecretFile), .authSecretFile)
  }

  /// The configured secret, or one of this machine's own that is made when it is not there yet.
  ///
  /// - Returns: the secret, and where it is for the person to find.
  package func secretMakingOne() throws(Failure) -> (secret: [UInt8], location: String) {
    if let secret = try self.secret() {
      let location = self.text(.authSecret) != nil ? Setting.authSecret.variable : nil
      return (secret, location ?? self.text(.authSecretFile) ?? "")
    }
    let path = Self.developmentSecretPath
    if !FileManager.default.fileExists(atPath: path) {
      let text = Data((0..<48).map { _ in UInt8.random(in: .min ... .max) }).base64EncodedString()
      do {
        try FileManager.default.createDirectory(
          atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      } catch {
        throw Failure(
          .running, "cannot make the directory of \(path): \(error.localizedDescription)")
      }
      guard
        FileManager.default.createFile(
          atPath: path, contents: Data("\(text)\n".utf8),
          attributes: [.posixPermissions: 0o600])
      else {
        throw Failure(
          .running,
          "cannot write \(path); give --auth-secret-file or \(Setting.authSecret.variable)")
      }
    }
    return (try self.developmentSecret(), path)
  }

  private func contents(of path: String, _ setting: Setting) throws(Failure) -> [UInt8] {
    try self.read(
      SecretFile.bytes(of: path, limit: CommandLimits.secretFileBytes), path, setting)
  }

  /// - Parameter result: Result of reading a file.
  package func read<Content>(
    _ result: Result<Content, SecretFile.Unreadable>, _ path: String, _ setting: Setting
  ) throws(Failure) -> Content {
    do throws(SecretFile.Unreadable) {
      return try result.get()
    } catch {
      throw self.failure(setting, "cannot read \(path): \(error)")
    }
  }

  private func checked(_ secret: [UInt8], _ setting: Setting) throws(Failure) -> [UInt8] {
    guard secret.count >= Authenticator.minimumSecretBytes else {
      throw self.failure(
        setting,
        "the secret has \(secret.count) bytes; HS256 needs at least "
          + "\(Authenticator.minimumSecretBytes)")
    }
    return secret
  }
}
