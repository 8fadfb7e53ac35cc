import LocalRedis

/// Sends one command to a redis-server by redis-cli over TLS, and returns the lines of its reply.
package func redisCLIOverTLS(
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

/// Sends one command to a redis-server by redis-cli, and returns the first line of its reply.
package func redisCLI(_ command: String, port: Int) async throws -> String {
  let lines = Lines()
  let client = try ChildProcess(
    executable: "redis-cli",
    arguments: ["-h", "127.0.0.1", "-p", "\(port)"]
      + command.split(separator: " ").map(String.init),
    standardOutput: .lines(lines.append), standardError: .inherit)
  _ = await client.waitForExit()
  return lines.all.first ?? ""
}
