import Foundation
import LocalRedis

/// Certificates for development and tests, in a temporary directory, which is removed when this process
/// ends. Nobody else trusts them.
///
/// All keys are of the curve P-256, and not encrypted. What is valid is valid for 30 days.
package final class LocalCertificates: Sendable {
  private let directory: TemporaryDirectory

  /// Makes all of them, in a few milliseconds.
  package init() throws {
    self.directory = try TemporaryDirectory()
    do {
      try self.makeAll()
    } catch {
      self.remove()
      throw error
    }
  }

  private func makeAll() throws {
    let authority = try CertificateAuthority(subject: "Connect local CA", days: 30)
    let other = try CertificateAuthority(subject: "Another CA", days: 30)
    let past = Date(timeIntervalSince1970: 1_577_836_800)  // 2020-01-01
    let future = Date(timeIntervalSince1970: 2_493_072_000)  // 2049-01-01
    let month = TimeInterval(31 * 86_400)
    let credentials = [
      "ca": authority.credential,
      "other-ca": other.credential,
      "server": try authority.issue(.localhost, subject: "localhost"),
      "expired": try authority.issue(
        .localhost, subject: "localhost", valid: past..<past + month),
      "early": try authority.issue(
        .localhost, subject: "localhost", valid: future..<future + month),
      "wrong-host": try authority.issue(
        .server(names: ["redis.example"], addresses: [[192, 0, 2, 1]]), subject: "redis.example"),
      "nameless": try authority.issue(.server(names: [], addresses: []), subject: "localhost"),
      "client": try authority.issue(.client, subject: "Connect"),
      "other-client": try other.issue(.client, subject: "Connect"),
    ]
    for (name, credential) in credentials { try credential.write(name, in: self.path) }
  }

  /// Removes the files, before this process ends.
  package func remove() { directory.remove() }

  /// Directory of the files. A file that is added here is removed with them.
  package var path: String { directory.path.string }

  /// The authority that signed all the others.
  package var caFile: String { file("ca.pem") }
  /// For a client.
  package var clientCertificateFile: String { file("client.pem") }
  package var clientKeyFile: String { file("client.key") }

  /// Another authority, which signed none of the certificates above.
  package var otherCAFile: String { file("other-ca.pem") }
  /// For a client, by the other authority.
  package var otherClientCertificateFile: String { file("other-client.pem") }
  package var otherClientKeyFile: String { file("other-client.key") }

  private func file(_ name: String) -> String { "\(path)/\(name)" }

  /// A certificate for servers.
  package enum ServerCertificate: String, Sendable {
    /// For `localhost`, `127.0.0.1` and `::1`.
    case valid = "server"
    /// For the same names, expired in 2020.
    case expired
    /// For the same names, not valid before 2049.
    case notYetValid = "early"
    /// For `redis.example` and `192.0.2.1`, where nobody is.
    case wrongHost = "wrong-host"
    /// For no host: only its subject says `localhost`, which is not enough since RFC 9525.
    case nameless
  }

  /// The files of a server that has one of them.
  package func serverFiles(
    _ certificate: ServerCertificate = .valid, clients: TLSFiles.Clients = .none
  ) -> TLSFiles {
    TLSFiles(
      certificateFile: file("\(certificate.rawValue).pem"),
      keyFile: file("\(certificate.rawValue).key"), caFile: caFile, clients: clients)
  }
}

/// Why there are no certificates.
package enum LocalCertificatesError: Error, Sendable, Hashable, CustomStringConvertible,
  LocalizedError
{
  /// The system refused to write a file.
  case unwritable(path: String, reason: String)

  package var description: String {
    switch self {
    case .unwritable(let path, let reason): "\(path) could not be written: \(reason)"
    }
  }

  package var errorDescription: String? { self.description }
}
