import Foundation
import LocalRedis
import Synchronization

/// Certificates for development and tests: made anew by the `openssl` command in a temporary
/// directory, which is removed when this process ends. Nobody else trusts them.
///
/// All keys are of the curve P-256, and not encrypted. What is valid is valid for 30 days.
package final class LocalCertificates: Sendable {
  private let directory: TemporaryDirectory

  private init(_ directory: TemporaryDirectory) { self.directory = directory }

  /// Makes all of them, in about a quarter of a second.
  package static func make() async throws(LocalCertificatesError) -> LocalCertificates {
    guard let openssl = ChildProcess.find("openssl") else { throw .notInstalled }
    let certificates: LocalCertificates
    do throws(ChildProcessError) {
      certificates = LocalCertificates(try TemporaryDirectory())
    } catch {
      throw .refused(error)
    }
    do throws(LocalCertificatesError) {
      try await Workshop(openssl: openssl, directory: certificates.path).makeAll()
      return certificates
    } catch {
      certificates.remove()
      throw error
    }
  }

  /// Removes the files, before this process ends.
  package func remove() { directory.remove() }

  /// Where the files are. A file that is added here is removed with them.
  package var path: String { directory.path.string }

  /// The authority that has signed all the others.
  package var caFile: String { file("ca.pem") }
  /// For `localhost`, `127.0.0.1` and `::1`.
  package var serverCertificateFile: String { file("server.pem") }
  /// The key of ``serverCertificateFile``.
  package var serverKeyFile: String { file("server.key") }
  /// For the same names, expired in 2020.
  package var expiredCertificateFile: String { file("expired.pem") }
  /// The key of ``expiredCertificateFile``.
  package var expiredKeyFile: String { file("expired.key") }
  /// For the same names, not valid before 2049.
  package var notYetValidCertificateFile: String { file("early.pem") }
  /// The key of ``notYetValidCertificateFile``.
  package var notYetValidKeyFile: String { file("early.key") }
  /// For `redis.example` and `192.0.2.1`, where nobody is.
  package var wrongHostCertificateFile: String { file("wrong-host.pem") }
  /// The key of ``wrongHostCertificateFile``.
  package var wrongHostKeyFile: String { file("wrong-host.key") }
  /// For no host: only its subject says `localhost`, which is not enough since RFC 9525.
  package var namelessCertificateFile: String { file("nameless.pem") }
  /// The key of ``namelessCertificateFile``.
  package var namelessKeyFile: String { file("nameless.key") }
  /// For a client.
  package var clientCertificateFile: String { file("client.pem") }
  /// The key of ``clientCertificateFile``.
  package var clientKeyFile: String { file("client.key") }

  /// Another authority, which has signed none of the certificates above.
  package var otherCAFile: String { file("other-ca.pem") }
  /// For a client, by the other authority.
  package var otherClientCertificateFile: String { file("other-client.pem") }
  /// The key of ``otherClientCertificateFile``.
  package var otherClientKeyFile: String { file("other-client.key") }

  private func file(_ name: String) -> String { "\(path)/\(name)" }
}

/// Why there are no certificates.
package enum LocalCertificatesError: Error, Sendable, Hashable, CustomStringConvertible,
  LocalizedError
{
  /// There is no `openssl` command in `PATH`.
  case notInstalled
  /// The system refused to start the command, or to make its directory.
  case refused(ChildProcessError)
  /// The system refused to write a file.
  case unwritable(path: String, reason: String)
  /// The command failed. The last lines of its output say why.
  case failed(arguments: [String], ExitStatus, output: [String])

  /// What happened, and what to do.
  package var description: String {
    switch self {
    case .notInstalled:
      """
      the openssl command was not found in PATH: install it with `apt-get install openssl` (Debian, \
      Ubuntu) or `brew install openssl@3` (macOS)
      """
    case .refused(let cause):
      "openssl could not be started: \(cause)"
    case .unwritable(let path, let reason):
      "\(path) could not be written: \(reason)"
    case .failed(let arguments, let status, let output):
      """
      openssl \(arguments.joined(separator: " ")) \(status); it said:
      \(output.map { "  \($0)" }.joined(separator: "\n"))
      """
    }
  }

  /// The same as ``description``.
  package var errorDescription: String? { description }
}

/// Makes the files.
///
/// Everything is signed by `openssl ca`: of what all versions have, it alone takes dates of the past.
private struct Workshop {
  let openssl: String
  let directory: String

  /// What is in a certificate, by the name of its section below.
  private static let configuration = """
    [req]
    prompt = no
    distinguished_name = subject
    x509_extensions = authority
    [subject]
    CN = ${ENV::CONNECT_SUBJECT}

    [authority]
    basicConstraints = critical, CA:true
    keyUsage = critical, keyCertSign, cRLSign
    subjectKeyIdentifier = hash
    [server]
    extendedKeyUsage = serverAuth, clientAuth
    subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1
    [wrong_host]
    extendedKeyUsage = serverAuth, clientAuth
    subjectAltName = DNS:redis.example, IP:192.0.2.1
    [nameless]
    extendedKeyUsage = serverAuth, clientAuth
    [client]
    extendedKeyUsage = clientAuth

    [ca]
    default_ca = signing
    [signing]
    dir = .
    new_certs_dir = .
    database = index
    serial = serial
    default_md = sha256
    default_days = 30
    policy = any
    unique_subject = no
    [any]
    commonName = supplied

    """

  func makeAll() async throws(LocalCertificatesError) {
    try write("configuration", Self.configuration)
    try write("index", "")
    try write("serial", "1000\n")
    try await makeAuthority("ca", subject: "Connect local CA")
    try await makeAuthority("other-ca", subject: "Another CA")

    try await make("server", subject: "localhost", as: "server")
    try await make(
      "expired", subject: "localhost", as: "server",
      dates: ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"])
    try await make(
      "early", subject: "localhost", as: "server",
      dates: ["-startdate", "20490101000000Z", "-enddate", "20490201000000Z"])
    try await make("wrong-host", subject: "redis.example", as: "wrong_host")
    try await make("nameless", subject: "localhost", as: "nameless")
    try await make("client", subject: "Connect", as: "client")
    try await make("other-client", subject: "Connect", as: "client", by: "other-ca")
  }

  private static let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

  private func makeAuthority(
    _ name: String, subject: String
  ) async throws(LocalCertificatesError) {
    try await run(
      ["req", "-x509", "-config", "configuration", "-days", "30"] + Self.newKey
        + ["-keyout", "\(name).key", "-out", "\(name).pem"], subject: subject)
  }

  private func make(
    _ name: String, subject: String, as extensions: String, by authority: String = "ca",
    dates: [String] = []
  ) async throws(LocalCertificatesError) {
    try await run(
      ["req", "-new", "-config", "configuration"] + Self.newKey
        + ["-keyout", "\(name).key", "-out", "\(name).csr"], subject: subject)
    try await run(
      ["ca", "-batch", "-notext", "-config", "configuration", "-extensions", extensions] + dates
        + ["-cert", "\(authority).pem", "-keyfile", "\(authority).key"]
        + ["-in", "\(name).csr", "-out", "\(name).pem"], subject: subject)
  }

  private func write(_ name: String, _ text: String) throws(LocalCertificatesError) {
    let path = "\(directory)/\(name)"
    do {
      try text.write(toFile: path, atomically: false, encoding: .utf8)
    } catch {
      throw .unwritable(path: path, reason: error.localizedDescription)
    }
  }

  private func run(
    _ arguments: [String], subject: String
  ) async throws(LocalCertificatesError) {
    let lines = Lines()
    let process: ChildProcess
    do throws(ChildProcessError) {
      process = try ChildProcess(
        executable: openssl, arguments: arguments, environment: ["CONNECT_SUBJECT": subject],
        workingDirectory: directory, standardOutput: .discard, standardError: .lines(lines.append))
    } catch {
      throw .refused(error)
    }
    let status = await process.waitForExit()
    guard status == .exited(0) else {
      throw .failed(arguments: arguments, status, output: lines.last)
    }
  }
}

/// The last lines of a command's output.
private final class Lines: Sendable {
  private let kept = Mutex<[String]>([])

  var last: [String] { kept.withLock(\.self) }

  @Sendable func append(_ line: String) {
    kept.withLock { kept in
      kept.append(line)
      if kept.count > LocalClusterLimits.shownLines { kept.removeFirst() }
    }
  }
}
