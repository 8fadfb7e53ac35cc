// LocalRedisParent: a process of the tests' own. It starts a redis-server, or with --cluster a cluster,
// and does nothing more, to be killed; or, with --leftovers, runs children and prints how many descriptors it had before and after.

import Foundation
import LocalCluster
import LocalRedis

@main
struct LocalRedisParent {
  static func main() async throws {
    if CommandLine.arguments.contains("--leftovers") { return try await Self.leftovers() }
    let servers =
      CommandLine.arguments.contains("--cluster")
      ? try await LocalRedisCluster.start().nodes : [try await LocalRedisServer.start()]
    for server in servers {
      if CommandLine.arguments.contains("--paused") { server.pause() }
      print(server.processIdentifier, server.dataDirectory)
    }
    fflush(nil)
    try await Task.sleep(for: .seconds(60))
  }

  private static func leftovers() async throws {
    // The first child opens what stays open for all.
    try await Self.runChild()
    let before = Self.openDescriptors()
    for _ in 0..<50 { try await Self.runChild() }
    print(before, Self.openDescriptors())
  }

  private static func runChild() async throws {
    let child = try ChildProcess(
      executable: "cat", arguments: [], standardOutput: .lines { _ in },
      standardError: .lines { _ in }, standardInput: .pipe)
    child.input?.close()
    _ = await child.waitForExit()
  }

  private static func openDescriptors() -> Int {
    (0..<1024).count { fcntl(Int32($0), F_GETFD) >= 0 }
  }
}
