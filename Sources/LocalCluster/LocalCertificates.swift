import Foundation
import LocalRedis

/// Certificates for development and tests: made by the `openssl` command in a temporary
/// directory, which is removed when this process ends. Nobody else trusts them.
///
/// All keys are of the curve P-256, and not encrypted. What is valid is valid for 30 days.
package final class LocalCertificates: Sendable {
  private let directory: TemporaryDirectory

  private init(_ directory: TemporaryDirectory) { self.directory = directory }

  /// Makes all of them, in about a quarter of a second.
  package static func make() async throws(LocalCertificatesError) -> LocalCertificates {
    let certificates: LocalCertificates
    do throws(ChildProcessError) {
      certificates = LocalCertificates(try TemporaryDirectory())
    } catch {
      throw .refused(error)
    }
    do throws(LocalCertificatesError) {
      try await CertificateWorkshop(directory: certificates.path, days: 30).makeAll()
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
