import Foundation
import LocalCluster
import TestSupport
import Testing

@testable import LocalRedis

@Suite("A private redis-server", .timeLimit(.minutes(20)))
struct LocalRedisServerTests {
  @Test("answers once it has started, and is gone once stopped")
  func startAndStop() async throws {
    let server = try await LocalRedisServer.start()
    #expect(server.url == "redis://127.0.0.1:\(server.port)")
    #expect(try await redisCLI("PING", port: server.port) == "PONG")
    #expect(FileManager.default.fileExists(atPath: server.dataDirectory))
    await server.stop()
    #expect(!isRunning(server.processIdentifier))
    #expect(!FileManager.default.fileExists(atPath: server.dataDirectory))
  }

  @Test(
    "ends with its parent, and its directory with it; so do all nodes of a cluster",
    arguments: [([], 1), (["--paused"], 1), (["--cluster"], 3)])
  func endsWithParent(arguments: [String], count: Int) async throws {
    let lines = Lines()
    let parent = try ChildProcess(
      executable: productsDirectory.appendingPathComponent("LocalRedisParent").path,
      arguments: arguments, standardOutput: .lines(lines.append), standardError: .inherit)
    #expect(try await eventually { lines.all.count == count })
    let servers = try lines.all.map { line in
      let words = line.split(separator: " ", maxSplits: 1).map(String.init)
      return (process: try #require(pid_t(words[0])), directory: words[1])
    }
    for server in servers {
      #expect(isRunning(server.process))
      #expect(FileManager.default.fileExists(atPath: server.directory))
    }

    parent.signal(SIGKILL)
    #expect(await parent.waitForExit() == .signalled(SIGKILL))
    for server in servers {
      #expect(try await eventually { !isRunning(server.process) })
      #expect(
        try await eventually { !FileManager.default.fileExists(atPath: server.directory) })
    }
  }

  @Test(
    "keeps its data through a crash with an append-only file, in either kind of directory",
    arguments: [true, false])
  func appendOnly(inOwnDirectory: Bool) async throws {
    try await withTemporaryDirectory { directory in
      let given = inOwnDirectory ? nil : directory + "/data"
      try await RedisFixture.withServer(
        persistence: .appendOnly(directory: given, fsync: .always)
      ) { server in
        let first = server.processIdentifier
        #expect(try await redisCLI("SET key value", port: server.port) == "OK")
        await server.kill()
        #expect(!isRunning(first))
        try await server.restart()
        #expect(server.processIdentifier != first)
        #expect(try await redisCLI("GET key", port: server.port) == "value")
        try await server.restart()
        #expect(try await redisCLI("GET key", port: server.port) == "value")
      }
      #expect(FileManager.default.fileExists(atPath: directory + "/data") == !inOwnDirectory)
    }
  }

  @Test("starts empty after a crash without one")
  func noPersistence() async throws {
    try await RedisFixture.withServer { server in
      #expect(try await redisCLI("SET key value", port: server.port) == "OK")
      await server.kill()
      try await server.restart()
      #expect(try await redisCLI("EXISTS key", port: server.port) == "0")
      await server.stop()
      try await server.restart()
      #expect(try await redisCLI("PING", port: server.port) == "PONG")
    }
  }

  @Test(
    "is configured as Connect's own",
    arguments: [
      ("save", ""), ("maxmemory-policy", "noeviction"), ("stream-node-max-bytes", "1024"),
      ("bind", "127.0.0.1"), ("hz", "20"),
    ])
  func configuration(name: String, value: String) async throws {
    try await RedisFixture.withServer(extraArguments: ["--hz", "20"]) { server in
      let lines = Lines()
      let client = try ChildProcess(
        executable: "redis-cli", arguments: ["-p", "\(server.port)", "CONFIG", "GET", name],
        standardOutput: .lines(lines.append), standardError: .inherit)
      _ = await client.waitForExit()
      #expect(lines.all == [name, value])
    }
  }

  @Test("can be paused and resumed, and stopped while paused")
  func pause() async throws {
    try await RedisFixture.withServer { server in
      #expect(server.isRunning)
      server.pause()
      #expect(!server.isRunning)
      #expect(
        !RedisProbe.isReady(server.access, processIdentifier: server.processIdentifier))
      server.resume()
      #expect(server.isRunning)
      let reply = try await redisCLI("PING", port: server.port)
      #expect(reply == "PONG")
      server.pause()
    }
  }

  @Test("speaks TLS on a port beside its plain one, and has users of its own")
  func usersAndTLS() async throws {
    let files = try LocalCertificates.shared.serverFiles(clients: .required)
    let server = try await LocalRedisServer.start(
      .init(tls: files, users: ["reader on >secret ~* +get", "other on nopass ~* -@all"]))
    #expect(try await redisCLI("AUTH reader secret", port: server.port) == "OK")
    #expect(try await redisCLI("AUTH other any", port: server.port) == "OK")
    let port = try #require(server.tlsPort)
    #expect(server.tlsURL == "rediss://localhost:\(port)")
    #expect(
      try await redisCLIOverTLS("PING", port: port, files: files, presentsCertificate: true)
        == ["PONG"])
    #expect(try await redisCLIOverTLS("PING", port: port, files: files) != ["PONG"])
    try await server.restart()
    #expect(server.tlsPort == port)
    await server.stop()
  }

  @Test("on a port in use is a clear error")
  func portInUse() async throws {
    let port = try await SharedRedis.server().port
    await #expect(throws: LocalRedisError.portInUse(port)) {
      try await LocalRedisServer.start(LocalRedisServer.Options(port: port))
    }
    #expect("\(LocalRedisError.portInUse(port))".contains("port \(port) is in use"))
    #expect(try await redisCLI("PING", port: port) == "PONG", "the other server is unharmed")
  }

  @Test("at a wrong path is a clear error that says what to install")
  func missingExecutable() async throws {
    let error = await #expect(throws: LocalRedisError.self) {
      try await LocalRedisServer.start(.init(executable: "/nowhere/redis-server"))
    }
    #expect(error == .notInstalled(path: "/nowhere/redis-server"))
    let message = "\(try #require(error))"
    #expect(message.contains("/nowhere/redis-server"))
    #expect(message.contains("apt-get install redis-server"))
    #expect(message.contains("brew install redis"))
  }

  @Test("that ends at its start shows what it said")
  func endsAtStart() async throws {
    let error = await #expect(throws: LocalRedisError.self) {
      try await LocalRedisServer.start(.init(extraArguments: ["--no-such-setting", "1"]))
    }
    #expect("\(try #require(error))".contains("no-such-setting"))
  }

  @Test("that is another program is a clear error")
  func wrongExecutable() async throws {
    let executable = try #require(ChildProcess.find("false"))
    await #expect(
      throws: LocalRedisError.ended(executable: executable, .exited(1), output: [])
    ) {
      try await LocalRedisServer.start(.init(executable: executable))
    }
  }

  @Test("whose start is cancelled is killed")
  func cancellation() async throws {
    try await withTemporaryDirectory { directory in
      let silent = directory + "/silent"
      try "#!/bin/sh\nexec sleep 60\n".write(toFile: silent, atomically: false, encoding: .utf8)
      chmod(silent, 0o755)
      let task = Task { try await LocalRedisServer.start(.init(executable: silent)) }
      task.cancel()
      await #expect(throws: LocalRedisError.cancelled) { try await task.value }
    }
  }

  @Test("is shared by all who ask for the shared one")
  func shared() async throws {
    async let one = SharedRedis.server()
    async let other = SharedRedis.server()
    let (first, second) = try await (one, other)
    #expect(first === second)
  }
}
