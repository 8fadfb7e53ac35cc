import ConnectProtocol
import NIOCore
import Redis

/// The names of all keys, under one prefix, so that several Connects can share a Redis.
///
/// All keys of one user have the same tag, and so live on the same node. They may live in a Redis of
/// their own, all users' together; everything else is the bus. Between the two there is no order, and
/// none is needed: what relies on the order of commands is either about one user or about one stream of
/// the bus.
///
/// A class, since it is handed around for each message, and has some thirty strings and arrays to copy.
package final class Keys: Sendable {
  package static let defaultPrefix = "connect:"

  package let prefix: String
  package let partitions: PartitionMap
  /// Whether the keys of users are in a second Redis.
  package let hasRegistryRedis: Bool

  /// Messages that could not be processed.
  package let deadLetters: RedisKey
  /// The layout of the data; see ``PartitionGuard``.
  package let partitionCount: RedisKey

  /// The ids of messaging instances that have joined; ``messaging(_:)`` tells which are alive.
  package let messagingMembers: RedisKey
  /// Wakes messaging instances when leases change hands.
  package let leaseEvents: RedisKey
  /// The ids of gateways that have started; ``gateway(_:)`` tells which are alive.
  package let gateways: RedisKey
  /// For commands that have no key and are meant for the Redis of the users' keys. Nothing is stored
  /// under it.
  package let registry: RedisKey

  private let incomingKeys: [RedisKey]
  private let leaseKeys: [RedisKey]
  private let attemptKeys: [RedisKey]
  private let confirmationKeys: [RedisKey]
  private let usersHome: RedisKey.Home
  private let messagingPrefix: String
  private let outgoingPrefix: String
  private let gatewayPrefix: String
  private let sessionPrefix: String
  private let mailboxPrefix: String
  private let cursorPrefix: String
  private let positionsPrefix: String

  package init(
    prefix: String = Keys.defaultPrefix, partitions: PartitionMap, hasRegistryRedis: Bool = false
  ) {
    self.prefix = prefix
    self.partitions = partitions
    self.hasRegistryRedis = hasRegistryRedis
    self.usersHome = hasRegistryRedis ? .second : .first
    self.deadLetters = RedisKey("\(prefix)deadletter")
    self.partitionCount = RedisKey("\(prefix)partitions")
    self.incomingKeys = partitions.all.map { partition in
      RedisKey(prefix: "\(prefix)incoming:", tag: partitions.tag(of: partition))
    }
    self.leaseKeys = partitions.all.map { partition in
      RedisKey(prefix: "\(prefix)lease:", tag: partitions.tag(of: partition))
    }
    self.attemptKeys = partitions.all.map { partition in
      RedisKey(prefix: "\(prefix)attempts:", tag: partitions.tag(of: partition))
    }
    self.confirmationKeys = partitions.all.map { partition in
      RedisKey(prefix: "\(prefix)confirm:", tag: partitions.tag(of: partition))
    }
    self.messagingMembers = RedisKey("\(prefix)messaging")
    self.leaseEvents = RedisKey("\(prefix)leases")
    self.gateways = RedisKey("\(prefix)gateways")
    self.registry = RedisKey("\(prefix)registry", home: self.usersHome)
    self.messagingPrefix = "\(prefix)messaging:"
    self.outgoingPrefix = "\(prefix)outgoing:"
    self.gatewayPrefix = "\(prefix)gateway:"
    self.sessionPrefix = "\(prefix)session:"
    self.mailboxPrefix = "\(prefix)mailbox:"
    self.cursorPrefix = "\(prefix)cursor:"
    self.positionsPrefix = "\(prefix)positions:"
  }

  /// The partition's stream.
  package func incoming(_ partition: Partition) -> RedisKey { self.incomingKeys[partition.number] }

  /// The owner of a partition: a string that expires.
  package func lease(_ partition: Partition) -> RedisKey { self.leaseKeys[partition.number] }

  /// How many owners of a partition in a row ended with the same entry unfinished.
  package func attempts(_ partition: Partition) -> RedisKey { self.attemptKeys[partition.number] }

  /// Written for the sake of the write: who asks behind it which replicas have that is told of all that
  /// was written before, over whichever connection.
  package func confirmation(_ partition: Partition) -> RedisKey {
    self.confirmationKeys[partition.number]
  }

  /// The heartbeat of a messaging instance.
  package func messaging(_ instance: InstanceID) -> RedisKey {
    RedisKey(prefix: self.messagingPrefix, tag: instance.text)
  }

  /// The stream of deliveries for a gateway.
  package func outgoing(_ gateway: InstanceID) -> RedisKey {
    RedisKey(prefix: self.outgoingPrefix, tag: gateway.text)
  }

  package func gateway(_ gateway: InstanceID) -> RedisKey {
    RedisKey(prefix: self.gatewayPrefix, tag: gateway.text)
  }

  /// The gateways of a user's connected devices.
  package func session(_ user: UserName) -> RedisKey {
    RedisKey(prefix: self.sessionPrefix, tag: user.text, home: self.usersHome)
  }

  /// The messages for a user, in order.
  package func mailbox(_ user: UserName) -> RedisKey {
    RedisKey(prefix: self.mailboxPrefix, tag: user.text, home: self.usersHome)
  }

  /// The position of each device of a user.
  package func cursor(_ user: UserName) -> RedisKey {
    RedisKey(prefix: self.cursorPrefix, tag: user.text, home: self.usersHome)
  }

  /// How far each conversation of a user is delivered and read.
  package func positions(_ user: UserName) -> RedisKey {
    RedisKey(prefix: self.positionsPrefix, tag: user.text, home: self.usersHome)
  }

  /// A key by its whole name, as a person writes it.
  package func key(named name: String) -> RedisKey {
    let isOfUser = [
      self.sessionPrefix, self.mailboxPrefix, self.cursorPrefix, self.positionsPrefix,
    ].contains { name.hasPrefix($0) }
    return RedisKey(name, home: isOfUser ? self.usersHome : .first)
  }
}

extension RedisClientFactory {
  /// A client for the bus alone, without a connection to a second Redis: for who waits for entries of
  /// its streams, or for replicas to have what was published.
  package func makeBusClient(on eventLoop: any EventLoop) -> any RedisClient {
    self.makeClient(on: eventLoop, only: .first)
  }
}
