import BusTestSupport
import Foundation
import LocalRedis
import Logging
import NIOPosix
import TestSupport
import Testing

@testable import MessageBus
@testable import Redis

/// That everything works with them is shown by all tests that run against a secure kind of Redis.
@Suite("The rights of services")
struct AccessRightsTests {
  @Test("are in Redis.md as a ready line")
  func documented() throws {
    let guide = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent(
        "../../Sources/ConnectCommand/Documentation.docc/Redis.md")
    let text = try String(contentsOf: guide.standardizedFileURL, encoding: .utf8)
    let line =
      "ACL SETUSER connect on >PASSWORD " + AccessRights.services().joined(separator: " ")
    #expect(text.contains("\n\(line)\n"), "\(line)")
  }

  private static let commands = AccessRights.services().filter { $0.hasPrefix("+") }
    .map { String($0.dropFirst()) }
    // Nobody can be refused to log in.
    .filter { $0 != "auth" }

  /// Sends a command with arguments that make Redis look at the user's rights.
  private func refusal(of command: String, by client: any RedisClient) async throws -> String? {
    let words = command.split(separator: "|").map(String.init)
    let arguments = Array(repeating: "connect:x", count: words.count == 2 ? 3 : 4)
    var attempts = (0...arguments.count).map { words + arguments.prefix($0) }
    attempts.append(words + ["group", "g", "c", "streams", "connect:x", ">"])
    for attempt in attempts {
      var batch = RedisBatch()
      batch.append(words: attempt)
      do throws(RedisError) {
        _ = try await client.execute(batch).cursor(0)
      } catch .server(let error) where error.message.contains("no permissions") {
        return error.message
      } catch {
        // Too few arguments, or a key that is not there.
      }
    }
    return nil
  }

  @Test(
    "are each needed by name: without one of them Redis's refusal says which", arguments: commands)
  func missing(command: String) async throws {
    let server = try await SharedRedis.server()
    let user = "without-\(command)".replacingOccurrences(of: "|", with: "-")
    let others = AccessRights.services().filter { $0 != "+\(command)" }
    try await server.command(["ACL", "SETUSER", user, "on", ">secret"] + others)
    let url = "redis://\(user):secret@127.0.0.1:\(server.port)"
    let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
    let logger = Logger.silent
    let configuration = try RedisConfiguration(url: RedisURL(parsing: url))
    do throws(RedisError) {
      let client = try await RedisClients.connect(configuration, on: eventLoop, logger: logger)
        .makeClient(on: eventLoop)
      let refusal: String?
      do {
        try await client.waitUntilReady()
        refusal = try await self.refusal(of: command, by: client)
      } catch {
        refusal = "\(error)"
      }
      try? await client.close().get()
      #expect(refusal?.contains("'\(command)'") == true, "\(refusal ?? "it was not refused")")
    } catch {
      // Needed to connect at all.
      #expect("\(error)".contains("'\(command)'"), "\(error)")
    }
  }

  @Test("end at the prefix of the keys, and the refusal names the key")
  func otherKeys() async throws {
    let server = try await SharedRedis.server()
    let rights = AccessRights.services(prefix: "other:")
    try await server.command(["ACL", "SETUSER", "other-keys", "on", ">secret"] + rights)
    let url = "redis://other-keys:secret@127.0.0.1:\(server.port)"
    try await Bus.run(url: url) { bus in
      do {
        try await PartitionGuard.check(bus.keys, with: bus.client)
        Issue.record("keys of others were written")
      } catch RedisError.server(let error) {
        #expect(error.code == "NOPERM")
        #expect(error.message.hasSuffix("(the key was \(bus.keys.partitionCount))"))
      }
    }
  }
}
