import ConnectProtocol
import MessageBus
import NIOCore
import Redis

/// Looks up who of some users is online, and since when the others are not.
///
/// Three steps at most: the sessions of those who are not connected here, whether the gateways that these
/// name live, which is whether they have a stream, and the cursors of those who are offline, which say when a
/// device was last seen. A session counts only while its gateway lives, and if it is of that life: not if the
/// gateway has started again since, under the same name.
///
/// On its loop only.
final class PresenceReader {
  typealias Status = ServerFrame.Presence.Status
  typealias Statuses = [UserName: Status]

  private struct Look {
    /// Users whose status is not known yet, with the gateways that their sessions name.
    var gateways: [UserName: Set<Life>] = [:]
    var statuses: Statuses = [:]
    let known: Statuses
    let completion: (Statuses) -> Void
  }

  /// A gateway from one start to its end.
  private struct Life: Hashable {
    let gateway: InstanceID
    /// Milliseconds since 1970; nil if the session does not say.
    let started: UInt64?

    init(_ session: Session) {
      self.gateway = session.gateway
      self.started = ConnectionDirectory.started(connection: session.connection)
    }

    /// Whether it is the one that began at `started`: nil if that is not known.
    func isSame(as started: UInt64?) -> Bool {
      guard let own = self.started, let started else { return true }
      return own >= started
    }
  }

  private struct Living {
    let until: NIODeadline
    /// As its heartbeat says; nil if there is none.
    let started: UInt64?
  }

  private let client: any RedisClient
  private let directory: ConnectionDirectory
  private let keys: Keys
  private let id: InstanceID
  private let metrics: GatewayMetrics
  /// Gateways that lived lately, and until when that is believed.
  private var living: [InstanceID: Living] = [:]

  init(
    client: any RedisClient, directory: ConnectionDirectory, keys: Keys, id: InstanceID,
    metrics: GatewayMetrics
  ) {
    self.client = client
    self.directory = directory
    self.keys = keys
    self.id = id
    self.metrics = metrics
  }

  /// Looks users up.
  ///
  /// - Parameters:
  ///   - known: what is known of some of them. Who was offline and still is was not seen since, as far
  ///     as that is worth a look at all cursors.
  ///   - completion: called with the statuses of those of whom Redis has told everything.
  func look(
    _ users: [UserName], known: Statuses, completion: @escaping (Statuses) -> Void
  ) {
    var look = Look(known: known, completion: completion)
    var batch = RedisBatch()
    var sessions: [(UserName, Reply<[Session]>)] = []
    for (user, isHere) in zip(users, self.directory.areConnected(users)) {
      if isHere {
        look.statuses[user] = Status(online: true)
      } else {
        sessions.append((user, SessionRegistry.sessions(self.keys.session(user), to: &batch)))
      }
    }
    guard !sessions.isEmpty else { return completion(look.statuses) }
    self.metrics.presenceLooks.increment(by: sessions.count)
    self.client.submit(batch) { [look] replies in
      var look = look
      var here: [UserName] = []
      for (user, reply) in sessions {
        guard let sessions = try? replies[reply] else { continue }
        look.gateways[user] = Set(sessions.filter { $0.gateway != self.id }.map(Life.init))
        if sessions.contains(where: { $0.gateway == self.id }) { here.append(user) }
      }
      // Connected meanwhile; or the session is older than this gateway's last start.
      for (user, isHere) in zip(here, self.directory.areConnected(here)) where isHere {
        look.gateways[user] = nil
        look.statuses[user] = Status(online: true)
      }
      self.findLiving(look)
    }
  }

  private func findLiving(_ look: Look) {
    let now = NIODeadline.now()
    self.living = self.living.filter { now < $0.value.until }
    var batch = RedisBatch()
    var streams: [(InstanceID, isThere: Reply<Bool>, started: Reply<UInt64?>)] = []
    let named = look.gateways.values.joined().map(\.gateway)
    for gateway in Set(named) where self.living[gateway] == nil {
      streams.append(
        (
          gateway, batch.exists(self.keys.outgoing(gateway)),
          GatewayRegistry.started(gateway, keys: self.keys, to: &batch)
        ))
    }
    guard !streams.isEmpty else { return self.findLastSeen(look, unknown: []) }
    self.client.submit(batch) { replies in
      var unknown: Set<InstanceID> = []
      for (gateway, isThere, started) in streams {
        do throws(RedisError) {
          // Without a heartbeat, of which Redis may have no room, the stream alone says that it lives.
          let started = try replies[started]
          guard try replies[isThere] else { continue }
          self.living[gateway] = Living(
            until: now + .milliseconds(GatewayLimits.livingGatewayMilliseconds), started: started)
        } catch {
          unknown.insert(gateway)
        }
      }
      self.findLastSeen(look, unknown: unknown)
    }
  }

  /// - Parameter unknown: gateways of which Redis did not say whether they live.
  private func findLastSeen(_ look: Look, unknown: Set<InstanceID>) {
    var look = look
    var batch = RedisBatch()
    var seen: [(UserName, Reply<UInt64?>)] = []
    for (user, gateways) in look.gateways {
      if gateways.contains(where: self.isLiving) {
        look.statuses[user] = Status(online: true)
      } else if gateways.contains(where: { unknown.contains($0.gateway) }) {
        continue
      } else if let known = look.known[user], !known.online {
        look.statuses[user] = known
      } else {
        seen.append((user, Cursors.lastSeen(in: self.keys.cursor(user), to: &batch)))
      }
    }
    guard !seen.isEmpty else { return look.completion(look.statuses) }
    self.client.submit(batch) { [look] replies in
      var statuses = look.statuses
      for (user, reply) in seen {
        do throws(RedisError) {
          let seconds = try replies[reply]
          statuses[user] = Status(online: false, lastSeen: seconds.map { $0 * 1_000 })
        } catch {
          // Not known now, which is not the same as never seen.
          continue
        }
      }
      look.completion(statuses)
    }
  }

  private func isLiving(_ life: Life) -> Bool {
    self.living[life.gateway].map { life.isSame(as: $0.started) } ?? false
  }
}
