import Foundation
import LocalCluster
import LocalRedis
import Settings

/// The directory of a stand: certificates, secrets, logs, data and ports, which stay for the next time,
/// and `run`, which is there while the stand is up.
struct StandDirectory: Sendable {
  let path: String

  /// - Parameter path: Absolute, or relative to the working directory.
  init(_ path: String) throws(Failure) {
    guard !path.isEmpty, !path.contains(where: { "\"'\\\n".contains($0) }) else {
      throw Failure(.running, "--state: '\(path)' cannot be a directory of a stand")
    }
    self.path = Self.absolute(path)
  }

  /// A path that does not depend on the working directory.
  static func absolute(_ path: String) -> String {
    URL(fileURLWithPath: path).standardizedFileURL.path
  }

  var logs: String { "\(self.path)/logs" }
  var caFile: String { "\(self.path)/certificates/ca.pem" }
  /// Contents exist only while the stand is up.
  var run: String { "\(self.path)/run" }
  /// Socket for rolling restarts, relative to `run`: socket paths are limited to some 100 bytes.
  static let socket = "control"

  func log(_ name: String) -> String { "\(self.logs)/\(name).log" }
  func secretFile(_ name: String) -> String { "\(self.path)/secrets/\(name)" }

  // MARK: Held by one stand

  /// Reserves the directory for this process until it ends, in whatever way.
  func hold() throws(Failure) {
    do {
      try FileManager.default.createDirectory(
        atPath: self.path, withIntermediateDirectories: true,
        attributes: [.posixPermissions: 0o700])
    } catch {
      throw Failure(.running, "--state: \(self.path) is not a directory, and cannot be made one")
    }
    let file = "\(self.path)/lock"
    let lock = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard lock >= 0 else {
      throw Failure(.running, "--state: \(self.path) is a directory in which you may not write")
    }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      throw Failure(
        .running,
        "a stand is up on \(self.path) already (process \(self.text("lock") ?? "unknown")): "
          + "end it first, or take another --state")
    }
    try self.write("lock", "\(getpid())")
    // What a stand that was killed has left there.
    self.release()
    for name in ["run/processes", "certificates", "secrets", "logs", "numbers", "redis"] {
      try self.makeDirectory(name)
    }
    try self.write(".gitignore", "*")
    for log in (try? FileManager.default.contentsOfDirectory(atPath: self.logs)) ?? []
    where log.hasSuffix(".log") {
      try? FileManager.default.removeItem(atPath: "\(self.logs)/\(log)")
    }
    // So that infra/local/roll finds the program that keeps the stand.
    try? FileManager.default.createSymbolicLink(
      atPath: "\(self.run)/connect-bench", withDestinationPath: Program.own)
  }

  /// Removes the files that exist only while the stand is up.
  func release() { try? FileManager.default.removeItem(atPath: self.run) }

  /// Records a process for whoever wants to find it.
  func note(_ instance: Deployment.Instance) throws(Failure) {
    try self.makeDirectory("run/processes/\(instance.id)")
    try self.write(
      "run/processes/\(instance.id)/pid", "\(instance.process.processIdentifier)")
  }

  /// Removes that record.
  func forget(_ instance: Deployment.Instance) {
    try? FileManager.default.removeItem(atPath: "\(self.run)/processes/\(instance.id)")
  }

  // MARK: Files that stay

  /// The ports of the previous run.
  var ports: Int? { self.text("ports").flatMap { Int($0) } }

  /// A name that no process of this directory has had: two gateways must never share one.
  func nextName(_ service: Deployment.Service) throws(Failure) -> String {
    let file = "numbers/\(service.rawValue)"
    let number = (self.text(file).flatMap { Int($0) } ?? 0) + 1
    try self.write(file, "\(number)")
    return "\(service.rawValue)-\(number)"
  }

  /// The last lines of a process's log, for display.
  func lastLines(_ name: String) -> String {
    let text = (try? String(contentsOfFile: self.log(name), encoding: .utf8)) ?? ""
    let lines = text.split(separator: "\n", omittingEmptySubsequences: true)
    let shown = lines.suffix(StandLimits.shownLines).map { "  | \($0)" }
    return (["The last lines of \(self.log(name)):"] + shown).joined(separator: "\n")
  }

  func makeSecrets() throws(Failure) {
    for name in ["tokens", "service-token", "redis-admin", "redis-connect", "redis-inspect"]
    where self.text("secrets/\(name)")?.isEmpty ?? true {
      let bytes = (0..<32).map { _ in UInt8.random(in: .min ... .max) }
      try self.write(
        "secrets/\(name)", bytes.map { String(format: "%02x", $0) }.joined())
    }
  }

  func secret(_ name: String) throws(Failure) -> String {
    guard let secret = self.text("secrets/\(name)") else {
      throw Failure(.running, "\(self.secretFile(name)) cannot be read")
    }
    return secret
  }

  /// An authority of the stand's own, and by it one certificate for the nodes of Redis and one for the
  /// load balancer's front, both for localhost and 127.0.0.1.
  func makeCertificates() throws {
    let directory = "\(self.path)/certificates"
    let renewal = Date.now.addingTimeInterval(Double(StandLimits.renewalSeconds))
    let hasFront = FileManager.default.fileExists(atPath: "\(directory)/front.pem")
    if hasFront, let expiry = Credential.expiry(ofFile: self.caFile), expiry > renewal { return }
    // Made last, so that a renewal which was interrupted is made again.
    try? FileManager.default.removeItem(atPath: "\(directory)/front.pem")
    let authority = try CertificateAuthority(
      subject: "Connect local stand", days: StandLimits.certificateDays)
    try authority.credential.write("ca", in: directory)
    for name in ["redis", "balancer"] {
      try authority.issue(.localhost, subject: "localhost").write(name, in: directory)
    }
    // HAProxy wants both in one file.
    let parts = ["certificates/balancer.pem", "certificates/balancer.key"]
    try self.write("certificates/front.pem", parts.compactMap(self.text).joined(separator: "\n"))
  }

  // MARK: Plain files

  /// The content of a file, without the line feed at its end.
  func text(_ name: String) -> String? {
    (try? String(contentsOfFile: "\(self.path)/\(name)", encoding: .utf8))?
      .trimmingCharacters(in: .newlines)
  }

  func write(_ name: String, _ text: String) throws(Failure) {
    try self.writing(name) {
      try "\(text)\n".write(toFile: "\(self.path)/\(name)", atomically: false, encoding: .utf8)
    }
  }

  func makeDirectory(_ name: String) throws(Failure) {
    try self.writing(name) {
      try FileManager.default.createDirectory(
        atPath: "\(self.path)/\(name)", withIntermediateDirectories: true)
    }
  }

  private func writing(_ name: String, _ body: () throws -> Void) throws(Failure) {
    do {
      try body()
    } catch {
      throw Failure(
        .running, "\(self.path)/\(name) cannot be written: \(error.localizedDescription)")
    }
  }
}
