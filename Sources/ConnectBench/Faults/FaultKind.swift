import LocalCluster
import LocalRedis

/// Faults done to a deployment during a chat.
package enum FaultKind: String, CaseIterable, Sendable {
  /// SIGKILL of a messaging instance; another starts within two seconds.
  case killMessaging = "kill-messaging"
  /// SIGKILL of a gateway; another starts within two seconds.
  case killGateway = "kill-gateway"
  /// SIGKILL of both at once.
  case killBoth = "kill-both"
  /// SIGSTOP of a messaging instance for longer than its leases live, then SIGCONT.
  case pauseMessaging = "pause-messaging"
  /// SIGSTOP of a gateway for longer than its clients wait for a heartbeat, then SIGCONT.
  case pauseGateway = "pause-gateway"
  /// SIGTERM of every instance in turn, each after its successor has started.
  case roll
  /// Every messaging instance is away for some seconds.
  case messagingAway = "messaging-away"
  /// Redis is stopped in an orderly way, and started again: all nodes of a cluster.
  case restartRedis = "restart-redis"
  /// SIGKILL of Redis, of all nodes at once; started again after a second.
  case killRedis = "kill-redis"
  /// SIGSTOP of Redis for eight seconds, longer than a command may take.
  case pauseRedis = "pause-redis"
  /// Redis has no memory left for some seconds.
  case fillRedis = "fill-redis"
  /// A third of the connections ends, goes silent, or ends for the client alone.
  case vanish
  /// All connections to Redis cut every 200 ms, for six seconds; but only when something was shown since
  /// the last cut, or nothing for 600 ms.
  case cutRedis = "cut-redis"
  /// Replies of Redis damaged or cut off on their way, at random, for some seconds. Only where it is
  /// asked for: services then reach Redis through ``ReplyDamager``.
  case damageReplies = "damage-replies"
  /// Malformed entries on `incoming` streams.
  case poison
  /// All `outgoing` streams deleted.
  case deleteOutgoing = "delete-outgoing"
  /// All consumer groups of all streams destroyed.
  case destroyGroups = "destroy-groups"
  /// All `incoming` streams are deleted, with the messages under way in them.
  case deleteIncoming = "delete-incoming"
  /// FLUSHALL.
  case flush
  /// A primary and its replica change roles, by an operator's command.
  case failOver = "fail-over"
  /// SIGKILL of a primary. Started again after a replica took over; without one, after a second.
  case killNode = "kill-node"
  /// SIGSTOP of a primary for eight seconds, and until a replica has taken over; then SIGCONT.
  case hangNode = "hang-node"
  /// The slots of a partition and of some mailboxes move to another primary, key by key.
  case moveSlots = "move-slots"
  /// A primary is added, gets slots in use, gives them back, and is removed.
  case resize
  /// SIGKILL of the registry's Redis, where it is another one than the bus's; started again after a
  /// second.
  case killRegistry = "kill-registry"
  /// SIGSTOP of the registry's Redis for eight seconds.
  case pauseRegistry = "pause-registry"
  /// The registry's Redis has no memory left for some seconds.
  case fillRegistry = "fill-registry"
  /// FLUSHALL of the registry's Redis: the bus continues with mailboxes that are empty.
  case flushRegistry = "flush-registry"
  /// SIGKILL of a primary of the registry's cluster; started again as with `kill-node`.
  case killRegistryNode = "kill-registry-node"

  /// Whether the fault is possible with these kinds of Redis, for the bus and for the registry.
  package func applies(
    to kind: LocalRedisInstallation.Kind, registry: LocalRedisInstallation.Kind? = nil
  ) -> Bool {
    switch self {
    case .killRegistry, .pauseRegistry, .fillRegistry, .flushRegistry: registry != nil
    case .killRegistryNode: registry?.isCluster == true
    case .failOver: kind.replicas > 0
    case .killNode, .hangNode, .moveSlots, .resize: kind.isCluster
    case .damageReplies: kind == .plain
    default: true
    }
  }

  /// Whether messages must be rejected for the moment while it is done, many of them if they are sent
  /// without waiting for answers.
  package var causesRejections: Bool {
    switch self {
    case .killRedis, .pauseRedis, .killNode, .hangNode: true
    default: false
    }
  }

  /// Whether a replica, if there is one, takes the place of a primary, which is waited for.
  var replacesPrimary: Bool {
    switch self {
    case .failOver, .killNode, .hangNode, .killRegistryNode: true
    default: false
    }
  }

  /// Whether a replica may take over that had not yet been told everything: what no replica had to
  /// confirm may be lost then.
  package var mayPromoteReplica: Bool {
    switch self {
    case .restartRedis, .killRedis, .pauseRedis, .killNode, .hangNode, .killRegistry,
      .pauseRegistry, .killRegistryNode:
      true
    default: false
    }
  }

  /// The faults that are possible with these kinds of Redis, for the bus and for the registry.
  package static func all(
    for kind: LocalRedisInstallation.Kind, registry: LocalRedisInstallation.Kind? = nil
  ) -> [FaultKind] {
    self.allCases.filter { $0 != .damageReplies && $0.applies(to: kind, registry: registry) }
  }
}
