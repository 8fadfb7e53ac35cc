// LocalRedisParent: a process that starts a redis-server and does nothing more, for a test to kill.

import Foundation
import LocalRedis

@main
struct LocalRedisParent {
  static func main() async throws {
    let server = try await LocalRedisServer.start()
    if CommandLine.arguments.contains("--paused") { server.pause() }
    print(server.processIdentifier, server.dataDirectory)
    fflush(nil)
    try await Task.sleep(for: .seconds(60))
  }
}
