import Foundation
import LocalCluster
import LocalRedis
import Synchronization

/// Whether a process runs. One that has ended but was not reaped does not.
func isRunning(_ process: pid_t) -> Bool {
  guard kill(process, 0) == 0 else { return false }
  #if os(Linux)
    guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
      let state = stat.split(separator: ")").last?.split(separator: " ").first
    else { return false }
    return state != "Z" && state != "X"
  #else
    return true
  #endif
}

/// Collects lines of output.
final class Lines: Sendable {
  private let lines = Mutex<[String]>([])

  var all: [String] { lines.withLock(\.self) }

  @Sendable func append(_ line: String) {
    lines.withLock { $0.append(line) }
  }
}

/// Runs a shell script to its end.
func shell(
  _ script: String, environment: [String: String] = [:], workingDirectory: String? = nil
) async throws -> (status: ExitStatus, lines: [String]) {
  let lines = Lines()
  let child = try ChildProcess(
    executable: "/bin/sh", arguments: ["-c", script], environment: environment,
    workingDirectory: workingDirectory, standardOutput: .lines(lines.append),
    standardError: .inherit)
  return (await child.waitForExit(), lines.all)
}

/// A certificate for localhost and the authority that it comes from.
func makeTLSFiles(clients: TLSFiles.Clients = .none) throws -> TLSFiles {
  let certificates = try LocalCertificates()
  return TLSFiles(
    certificateFile: certificates.serverCertificateFile, keyFile: certificates.serverKeyFile,
    caFile: certificates.caFile, clients: clients)
}

/// Sends one command to a redis-server over TLS and returns the lines of its reply.
func redisOverTLS(
  _ command: String, port: Int, files: TLSFiles, presentsCertificate: Bool = false
) async throws -> [String] {
  var arguments = ["--tls", "--cacert", files.caFile, "-h", "localhost", "-p", "\(port)"]
  if presentsCertificate { arguments += ["--cert", files.certificateFile, "--key", files.keyFile] }
  let lines = Lines()
  let client = try ChildProcess(
    executable: "redis-cli",
    arguments: arguments + command.split(separator: " ").map(String.init),
    standardOutput: .lines(lines.append), standardError: .lines(lines.append))
  _ = await client.waitForExit()
  return lines.all
}

/// Sends one inline command to a redis-server and returns the first line of its reply.
func redis(_ command: String, port: Int) async throws -> String {
  let lines = Lines()
  let client = try ChildProcess(
    executable: "redis-cli",
    arguments: ["-h", "127.0.0.1", "-p", "\(port)"]
      + command.split(separator: " ").map(String.init),
    standardOutput: .lines(lines.append), standardError: .inherit)
  _ = await client.waitForExit()
  return lines.all.first ?? ""
}

/// A directory for one test.
func withTemporaryDirectory<Result>(
  _ body: (String) async throws -> Result
) async throws -> Result {
  let url = FileManager.default.temporaryDirectory
    .appendingPathComponent("connect-test-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: url) }
  return try await body(url.path)
}

/// Where the package's executables are: beside the bundle of its tests.
var productsDirectory: URL {
  #if os(macOS)
    let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") } ?? .main
    return bundle.bundleURL.deletingLastPathComponent()
  #else
    return Bundle.main.bundleURL
  #endif
}
