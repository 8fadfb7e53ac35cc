import ConnectProtocol
import Foundation
import LocalCluster
import LocalRedis
import Logging
import MessageBus
import NIOCore
import NIOPosix
import Redis
import TestSupport

/// Keys of one's own on a real Redis, and clients on one event loop, on which the test runs as well.
package actor Bus {
  package let keys: Keys
  /// Logged in as services are.
  package let client: any RedisClient
  /// Allowed to do everything.
  private let administrator: any RedisClient
  private let factory: any RedisClientFactory
  private let nodes: [LocalRedisServer]
  private var others: [any RedisClient] = []

  package nonisolated var unownedExecutor: UnownedSerialExecutor {
    self.client.eventLoop.executor.asUnownedSerialExecutor()
  }

  private static let shared = Task.detached {
    var options = LocalRedisInstallation.Options(kind: .tested)
    options.rights = AccessRights.services()
    return try await LocalRedisInstallation.start(options)
  }

  private init(
    clients: any RedisClientFactory, administration: any RedisClientFactory,
    on eventLoop: any EventLoop, partitions: Int, nodes: [LocalRedisServer] = []
  ) {
    self.nodes = nodes
    // Within the rights of services.
    self.keys = Keys(prefix: "connect:\(UUID()):", partitions: PartitionMap(count: partitions))
    self.factory = clients
    self.client = clients.makeClient(on: eventLoop)
    self.administrator = administration.makeClient(on: eventLoop)
  }

  private static func make(url: String?, partitions: Int) async throws -> Bus {
    let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
    let logger = Logger.silent
    if let url {
      let clients = try await RedisClients.connect(
        RedisConfiguration(url: RedisURL(parsing: url)), on: eventLoop, logger: logger)
      return Bus(
        clients: clients, administration: clients, on: eventLoop, partitions: partitions)
    }
    let redis = try await self.shared.value
    return Bus(
      clients: try await redis.clients(on: eventLoop, logger: logger),
      administration: try await redis.administration(on: eventLoop, logger: logger),
      on: eventLoop, partitions: partitions, nodes: redis.nodes)
  }

  /// Runs a test, by default on the Redis that tests share.
  package static func run<Result: Sendable>(
    url: String? = nil, partitions: Int = 4,
    _ body: @Sendable (isolated Bus) async throws -> Result
  ) async throws -> Result {
    let bus = try await self.make(url: url, partitions: partitions)
    try await bus.client.waitUntilReady()
    try await bus.administrator.waitUntilReady()
    do {
      let result = try await body(bus)
      try await bus.close()
      return result
    } catch {
      try await bus.close()
      throw error
    }
  }

  /// The answers to CLIENT LIST of all nodes of the Redis that tests share.
  package func connections() async throws -> String {
    var text = ""
    for node in self.nodes { text += try await node.command("CLIENT", "LIST").string ?? "" }
    return text
  }

  /// One more client on the same loop, connected.
  package func makeClient() async throws -> any RedisClient {
    let client = self.factory.makeClient(on: self.client.eventLoop)
    self.others.append(client)
    try await client.waitUntilReady()
    return client
  }

  private func close() async throws {
    for client in self.others + [self.client, self.administrator] { try await client.close().get() }
  }
}

extension Bus {
  package func command(_ words: String...) async throws -> ReplyCursor {
    try await self.administrator.value {
      $0.append(key: words.count > 1 ? RedisKey(words[1]) : nil, words: words).cursor()
    }
  }

  package func length(_ stream: RedisKey) async throws -> Int {
    var cursor = try await self.command("XLEN", "\(stream)")
    return try cursor.integer()
  }

  package func entries(_ stream: RedisKey) async throws -> [StreamEntry] {
    var cursor = try await self.command("XRANGE", "\(stream)", "-", "+")
    return try StreamEntry.list(from: &cursor)
  }

  /// Adds an entry whose payload is `text`, under Redis's next id or a given one.
  @discardableResult
  package func add(_ text: String, to stream: RedisKey, at id: Offset? = nil) async throws -> Offset
  {
    try await self.client.value {
      $0.addEntry(to: stream, at: id, count: text.utf8.count) { $0.copyBytes(from: text.utf8) }
    }
  }

  /// The envelopes of a mailbox, with their offsets.
  package func mailbox(_ user: UserName) async throws -> [Mailbox.Entry] {
    try await self.entries(self.keys.mailbox(user)).map(Mailbox.Entry.init)
  }
}

extension StreamEntry {
  package var text: String? { self.payload.map { String(decoding: $0.array, as: UTF8.self) } }
}
