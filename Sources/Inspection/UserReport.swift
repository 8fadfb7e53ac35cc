import ConnectProtocol
import MessageBus
import Redis

/// All that Redis holds of one user.
package struct UserReport: Sendable, Encodable {
  /// A device that is connected, or whose gateway died without removing the session.
  package struct Device: Sendable, Encodable {
    package let device: String
    /// The gateway that holds its connection.
    package let gateway: String
    /// Id of the connection in that gateway's log.
    package let connection: String
    /// Whether that gateway is alive; else the session is removed with the next message to it.
    package let isGatewayAlive: Bool
  }

  /// Progress of a device.
  package struct Cursor: Sendable, Encodable {
    package let device: String
    /// Everything up to this offset is acked.
    package let acked: Offset
    /// Last time the device was seen, in seconds since 1970; nil if that is not known.
    package let lastSeenSeconds: Int?
    /// Mailbox entries that it has not acked.
    package let behind: Int
    /// Whether there are more: the count has a limit.
    package let isBehindMore: Bool
  }

  /// How far a conversation has got.
  package struct Conversation: Sendable, Encodable {
    package let peer: String
    /// The user's messages are delivered up to this offset of the peer's mailbox; nil for none.
    package let delivered: Offset?
    /// The peer has read them up to this offset of the peer's mailbox.
    package let read: Offset?
    /// The user has read the peer's up to this offset of the user's mailbox.
    package let mine: Offset?
    /// The version of the user's positions with this one; the time of its last move, in milliseconds
    /// since 1970.
    package let stamp: UInt64
  }

  package struct Mailbox: Sendable, Encodable {
    package let stream: String
    package let length: Int
    package let oldest: Offset?
    package let newest: Offset?
    /// The highest offset that retention has removed.
    package let removed: Offset?
    /// Time until the key expires unless it is written; nil for never.
    package let expiresMilliseconds: Int?
  }

  package let user: String
  /// The partition of all messages to the user.
  package let partition: Int
  /// Stream of that partition.
  package let incoming: String
  /// The connections of the devices.
  package let sessions: [Device]
  package let cursors: [Cursor]
  package let mailbox: Mailbox
  /// The conversations that moved last come first.
  package let positions: [Conversation]
  /// All of a conversation without `mine` is read up to here; nil for nothing.
  package let floor: Offset?
  /// Time of reading, in milliseconds since 1970 by Redis's clock.
  package let atMilliseconds: UInt64

  /// Whether there is no data at all: the user never connected, or the name is misspelt.
  package var isUnknown: Bool {
    self.sessions.isEmpty && self.cursors.isEmpty && self.mailbox.length == 0
      && self.mailbox.removed == nil && self.positions.isEmpty
  }
}

extension UserReport.Conversation {
  fileprivate init(_ peer: UserName, _ row: Positions.Row) {
    self.init(
      peer: peer.text, delivered: row.delivered.unlessZero, read: row.read.unlessZero,
      mine: row.mine.unlessZero, stamp: row.stamp)
  }
}

extension Inspector {
  /// Everything about one user.
  ///
  /// - Parameter withExpiry: whether to ask how long the mailbox stays, which services have no
  ///   right to.
  package func user(
    _ user: UserName, withExpiry: Bool = true
  ) async throws(RedisError) -> UserReport {
    let now = try await self.now()
    let (mailbox, cursor) = (self.keys.mailbox(user), self.keys.cursor(user))
    var batch = RedisBatch()
    let registered = SessionRegistry.sessions(self.keys.session(user), to: &batch)
    let fields = batch.fields(of: cursor)
    let length = batch.length(of: mailbox)
    let oldest = batch.entries(of: mailbox, after: .zero, maximum: 1)
    let newest = batch.newestEntries(of: mailbox, maximum: 1)
    let table = Positions.table(of: self.keys.positions(user), to: &batch)
    let expiry = withExpiry ? batch.timeToLive(of: mailbox) : nil
    let replies = await self.client.execute(batch)

    let sessions = try replies[registered]
    var cursors = try replies[fields]
    let removed = cursors.removeValue(forKey: Cursors.removedField).flatMap { Offset($0) }
    cursors.removeValue(forKey: Cursors.displacedField)
    let positions = try replies[table]
    let report = UserReport.Mailbox(
      stream: "\(mailbox)", length: try replies[length],
      oldest: try replies[oldest].first?.offset, newest: try replies[newest].first?.offset,
      removed: removed,
      expiresMilliseconds: try expiry.flatMap { expiry throws(RedisError) in try replies[expiry] })
    let partition = self.keys.partitions.partition(for: user)
    return UserReport(
      user: user.text, partition: partition.number, incoming: "\(self.keys.incoming(partition))",
      sessions: try await self.devices(sessions),
      cursors: try await self.cursors(cursors, in: mailbox, report), mailbox: report,
      positions: positions.rows.sorted { $0.row.stamp > $1.row.stamp }.map(
        UserReport.Conversation.init),
      floor: positions.summary.floor.unlessZero, atMilliseconds: now)
  }

  private func devices(
    _ sessions: [Session]
  ) async throws(RedisError) -> [UserReport.Device] {
    let sessions = sessions.sorted { Self.isBefore($0.device, $1.device) }
    return try await self.ask(about: sessions) { session, batch in
      batch.exists(self.keys.outgoing(session.gateway))
    } _: { (session, exists, replies) throws(RedisError) in
      UserReport.Device(
        device: session.device, gateway: session.gateway.text, connection: session.connection,
        isGatewayAlive: try replies[exists])
    }
  }

  private func cursors(
    _ cursors: [String: String], in mailbox: RedisKey, _ report: UserReport.Mailbox
  ) async throws(RedisError) -> [UserReport.Cursor] {
    let devices = cursors.keys.sorted(by: Self.isBefore).map { device in
      let words = (cursors[device] ?? "").split(separator: " ")
      return (
        name: device, acked: words.first.flatMap { Offset(String($0)) } ?? .zero,
        // Nobody has written when it was seen: 0, or nothing.
        lastSeen: words.dropFirst().first.flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil }
      )
    }
    let newest = report.newest ?? .zero
    let oldest = report.oldest ?? newest
    // Who acked all and who acked nothing, which is most, need no counting.
    let between = devices.map(\.acked).filter { $0 >= oldest && $0 < newest }
    let above = try await self.newestOffsets(of: mailbox, downTo: between.min())
    return devices.map { device in
      var behind = 0
      var isMore = false
      if report.newest == nil || device.acked >= newest {
        behind = 0
      } else if device.acked < oldest {
        behind = report.length
      } else {
        behind = above.prefix { $0 > device.acked }.count
        isMore = behind == above.count && above.count >= InspectionLimits.entries
      }
      return UserReport.Cursor(
        device: device.name, acked: device.acked, lastSeenSeconds: device.lastSeen,
        behind: behind, isBehindMore: isMore)
    }
  }

  /// The newest offsets of a mailbox, newest first, down to `lowest`, within a limit.
  private func newestOffsets(
    of mailbox: RedisKey, downTo lowest: Offset?
  ) async throws(RedisError) -> [Offset] {
    guard let lowest else { return [] }
    var offsets: [Offset] = []
    while offsets.count < InspectionLimits.entries, offsets.last.map({ $0 > lowest }) ?? true {
      let page = try await self.client.value {
        $0.newestEntries(
          of: mailbox, below: offsets.last, maximum: BusLimits.entriesPerRead)
      }.map(\.offset)
      guard !page.isEmpty else { break }
      offsets += page
    }
    return offsets
  }
}
