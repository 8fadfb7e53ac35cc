import Foundation
import LocalCluster
import LocalRedis
import Testing

@testable import TLS

@Suite("A configuration")
struct ConfigurationTests {
  private func problem(_ configuration: TLSConfiguration) -> TLSConfigurationProblem? {
    do throws(TLSError) {
      _ = try TLSContext(configuration)
      return nil
    } catch {
      guard case .configuration(let problem) = error else { return nil }
      #expect("\(error)".hasPrefix("TLS cannot be set up: "))
      return problem
    }
  }

  @Test("trusts the system unless it says otherwise, and needs no certificate of its own")
  func defaults() {
    #expect(TLSConfiguration().trust == .system)
    #expect(problem(TLSConfiguration()) == nil)
  }

  @Test("takes a certificate with its key")
  func identity() async throws {
    #expect(problem(try await LocalCertificates.shared.identified) == nil)
  }

  @Test("says which file cannot be read, and why")
  func unreadable() async throws {
    let certificates = try await LocalCertificates.shared
    let nowhere = certificates.path + "/nowhere.pem"
    let reason = "No such file or directory"
    #expect(
      problem(TLSConfiguration(trust: .file(nowhere)))
        == .unreadable(.authorities, path: nowhere, reason: reason))
    var configuration = certificates.identified
    configuration.certificateFile = nowhere
    #expect(problem(configuration) == .unreadable(.certificate, path: nowhere, reason: reason))
    configuration = certificates.identified
    configuration.keyFile = nowhere
    #expect(problem(configuration) == .unreadable(.key, path: nowhere, reason: reason))
  }

  @Test("says which file has not what it should")
  func malformed() async throws {
    let certificates = try await LocalCertificates.shared
    let key = certificates.clientKeyFile
    let text = certificates.path + "/configuration"
    for path in [text, key, "/", "/dev/null"] {
      guard case .malformed(.authorities, path, _) = problem(TLSConfiguration(trust: .file(path)))
      else {
        Issue.record("\(path) was taken")
        continue
      }
    }
    var configuration = certificates.identified
    configuration.certificateFile = text
    guard case .malformed(.certificate, text, _) = problem(configuration) else {
      Issue.record("a text was taken for a certificate")
      return
    }
    configuration = certificates.identified
    configuration.keyFile = certificates.caFile
    guard case .malformed(.key, certificates.caFile, _) = problem(configuration) else {
      Issue.record("a certificate was taken for a key")
      return
    }
  }

  @Test("does not ask for the password of a key", .timeLimit(.minutes(5)))
  func encryptedKey() async throws {
    let certificates = try await LocalCertificates.shared
    let path = certificates.path + "/encrypted.key"
    let openssl = try ChildProcess(
      executable: "openssl",
      arguments: [
        "pkcs8", "-topk8", "-in", certificates.clientKeyFile, "-passout", "pass:secret", "-out",
        path,
      ], standardOutput: .discard, standardError: .discard)
    #expect(await openssl.waitForExit() == .exited(0))
    var configuration = certificates.identified
    configuration.keyFile = path
    guard case .malformed(.key, path, _) = problem(configuration) else {
      Issue.record("an encrypted key was taken")
      return
    }
  }

  @Test("needs the key that belongs to its certificate")
  func otherKey() async throws {
    let certificates = try await LocalCertificates.shared
    var configuration = certificates.identified
    configuration.keyFile = certificates.otherClientKeyFile
    #expect(
      problem(configuration)
        == .keyMismatch(
          certificateFile: certificates.clientCertificateFile,
          keyFile: certificates.otherClientKeyFile))
  }

  @Test("has both a certificate and a key, or neither")
  func half() async throws {
    let certificates = try await LocalCertificates.shared
    var configuration = certificates.identified
    configuration.keyFile = nil
    #expect(problem(configuration) == .incompleteIdentity)
    configuration = certificates.identified
    configuration.certificateFile = nil
    #expect(problem(configuration) == .incompleteIdentity)
  }
}
