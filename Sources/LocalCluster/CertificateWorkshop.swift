import Foundation
import LocalRedis
import Synchronization

/// Makes keys and certificates, by the `openssl` command.
///
/// Everything is signed by `openssl ca`: of what all versions have, it alone takes dates of the past.
package struct CertificateWorkshop: Sendable {
  private let openssl: String
  private let directory: String
  /// How long what is valid is valid, in days.
  private let days: Int

  /// Files are made in `directory`, which must be there; keys with the modes that `umask` leaves.
  package init(directory: String, days: Int) throws(LocalCertificatesError) {
    guard let openssl = ChildProcess.find("openssl") else { throw .notInstalled }
    self.openssl = openssl
    self.directory = directory
    self.days = days
  }

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
    default_days = ${ENV::CONNECT_DAYS}
    policy = any
    unique_subject = no
    [any]
    commonName = supplied

    """

  package func file(_ name: String) -> String { "\(directory)/\(name)" }

  /// Writes what `openssl` needs, for authorities that have signed nothing yet.
  package func prepare() throws(LocalCertificatesError) {
    try write("configuration", Self.configuration)
    try write("index", "")
    try write("serial", "1000\n")
  }

  /// Whether a certificate is there, and valid for some more time.
  package func isValid(_ name: String, forSeconds seconds: Int) async -> Bool {
    let arguments = ["x509", "-checkend", "\(seconds)", "-noout", "-in", "\(name).pem"]
    return (try? await run(arguments, subject: "")) != nil
  }

  func makeAll() async throws(LocalCertificatesError) {
    try prepare()
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

  /// Makes an authority: `NAME.pem` and `NAME.key`.
  package func makeAuthority(
    _ name: String, subject: String
  ) async throws(LocalCertificatesError) {
    try await run(
      ["req", "-x509", "-config", "configuration", "-days", "\(days)"] + Self.newKey
        + ["-keyout", "\(name).key", "-out", "\(name).pem"], subject: subject)
  }

  /// Makes a certificate that an authority has signed: `NAME.pem` and `NAME.key`.
  ///
  /// - Parameter extensions: a section of the configuration above, such as `server`.
  package func make(
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
    let path = file(name)
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
        executable: openssl, arguments: arguments,
        environment: ["CONNECT_SUBJECT": subject, "CONNECT_DAYS": "\(days)"],
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
