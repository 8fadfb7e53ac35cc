import Logging
import NIOCore

/// Finds out which kind of Redis a URL leads to, and makes clients for it.
package enum RedisClients {
  /// Connects once, to tell an operator at start what is wrong, and to find out whether it is a
  /// cluster.
  ///
  /// - Parameter eventLoop: where a cluster is asked, from time to time, which node has what.
  /// - Throws: ``RedisError/server(_:)`` when Redis refuses us, where no retry helps, and
  ///   ``RedisError/unavailable(_:)`` when it cannot be reached.
  package static func connect(
    _ configuration: RedisConfiguration, on eventLoop: any EventLoop, logger: Logger
  ) async throws(RedisError) -> any RedisClientFactory {
    let outages = OutageReport(logger: logger)
    let single = SingleServerClientFactory(
      configuration: configuration, outages: outages)
    if configuration.mode == .single {
      try await self.value {
        try await eventLoop.flatSubmit {
          RedisConnection.open(
            to: configuration.url.addresses[0], as: configuration, on: eventLoop
          ) { _ in }.map { $0.value.close(.unavailable("only a check")) }
        }.get()
      }
      return single
    }
    do throws(RedisError) {
      let topology = try await self.value {
        try await ClusterQuestion.ask(
          configuration.url.addresses, as: configuration, on: eventLoop
        ).get()
      }
      guard topology.isComplete else {
        throw .unavailable(
          "the cluster is not complete: there are slots that no node has (CLUSTER SLOTS tells)")
      }
      let topologies = TopologyKeeper(
        configuration, topology: topology, on: eventLoop, logger: logger)
      return ClusterClientFactory(
        configuration: configuration, topologies: topologies, outages: outages)
    } catch .server(let error) where configuration.mode == .auto && error.saysNoCluster {
      guard configuration.url.addresses.count == 1 else { throw .server(error) }
      return single
    }
  }

  /// Makes clients for keys that are divided between two Redis, by ``RedisKey/home``. Each of the two
  /// may be a server or a cluster.
  package static func split(
    _ first: any RedisClientFactory, _ second: any RedisClientFactory
  ) -> any RedisClientFactory {
    SplitClientFactory(first: first, second: second)
  }

  private static func value<Value: Sendable>(
    _ body: () async throws -> Value
  ) async throws(RedisError) -> Value {
    do {
      return try await body()
    } catch {
      throw error as? RedisError ?? .unavailable("\(error)")
    }
  }
}

extension RedisServerError {
  /// Whether this is the answer of a server without cluster mode to CLUSTER.
  package var saysNoCluster: Bool {
    self.message == "ERR This instance has cluster support disabled"
  }

  /// Whether the command or subcommand does not exist.
  package var saysUnknownCommand: Bool {
    ["ERR unknown command", "ERR unknown subcommand"].contains { self.message.hasPrefix($0) }
  }

  /// Name of the unknown command, from Redis's message.
  package var unknownCommand: String? {
    guard self.saysUnknownCommand else { return nil }
    let parts = self.message.split(maxSplits: 2) { "'`".contains($0) }
    return parts.count > 1 ? PrintableText.of(String(parts[1])) : nil
  }
}

struct SingleServerClientFactory: RedisClientFactory {
  let configuration: RedisConfiguration
  let outages: OutageReport

  func makeClient(on eventLoop: any EventLoop) -> any RedisClient {
    SingleServerClient(self.configuration, on: eventLoop, outages: self.outages)
  }
}

struct ClusterClientFactory: RedisClientFactory {
  let configuration: RedisConfiguration
  let topologies: TopologyKeeper
  let outages: OutageReport

  func makeClient(on eventLoop: any EventLoop) -> any RedisClient {
    ClusterClient(
      self.configuration, topologies: self.topologies, on: eventLoop,
      outages: self.outages)
  }
}

struct SplitClientFactory: RedisClientFactory {
  let first: any RedisClientFactory
  let second: any RedisClientFactory

  func makeClient(on eventLoop: any EventLoop) -> any RedisClient {
    SplitClient(
      first: self.first.makeClient(on: eventLoop), second: self.second.makeClient(on: eventLoop))
  }

  func makeClient(on eventLoop: any EventLoop, only home: RedisKey.Home) -> any RedisClient {
    switch home {
    case .first: self.first.makeClient(on: eventLoop)
    case .second: self.second.makeClient(on: eventLoop)
    }
  }
}
