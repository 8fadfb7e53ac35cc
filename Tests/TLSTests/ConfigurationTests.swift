import COpenSSL
import Foundation
import LocalCluster
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
    #expect(problem(try LocalCertificates.shared.identified) == nil)
  }

  @Test("says which file cannot be read, and why")
  func unreadable() async throws {
    let certificates = try LocalCertificates.shared
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
  func malformed() throws {
    let certificates = try LocalCertificates.shared
    let key = certificates.clientKeyFile
    let text = certificates.path + "/text"
    try "no certificate".write(toFile: text, atomically: false, encoding: .utf8)
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

  /// Writes a key again, with a password.
  private func encrypt(_ path: String, as encrypted: String) throws {
    let input = BIO_new_file(path, "r")
    let output = BIO_new_file(encrypted, "w")
    defer {
      BIO_free(input)
      BIO_free(output)
    }
    let key = PEM_read_bio_PrivateKey(input, nil, nil, nil)
    defer { EVP_PKEY_free(key) }
    try #require(
      PEM_write_bio_PKCS8PrivateKey(output, key, EVP_aes_256_cbc(), "secret", 6, nil, nil) == 1)
  }

  @Test("does not ask for the password of a key", .timeLimit(.minutes(20)))
  func encryptedKey() throws {
    let certificates = try LocalCertificates.shared
    let path = certificates.path + "/encrypted.key"
    try self.encrypt(certificates.clientKeyFile, as: path)
    var configuration = certificates.identified
    configuration.keyFile = path
    guard case .malformed(.key, path, _) = problem(configuration) else {
      Issue.record("an encrypted key was taken")
      return
    }
  }

  @Test("needs the key that belongs to its certificate")
  func otherKey() async throws {
    let certificates = try LocalCertificates.shared
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
    let certificates = try LocalCertificates.shared
    var configuration = certificates.identified
    configuration.keyFile = nil
    #expect(problem(configuration) == .incompleteIdentity)
    configuration = certificates.identified
    configuration.certificateFile = nil
    #expect(problem(configuration) == .incompleteIdentity)
  }
}
