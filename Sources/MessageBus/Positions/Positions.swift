import ConnectProtocol
import Redis

extension Script {
  static let advancePosition = Script(
    PackageResources.advance_position_lua, library: Self.comparingIDs)
  static let raiseDelivered = Script(
    PackageResources.raise_delivered_lua, library: Self.comparingIDs)
}

/// How far each conversation of a user is delivered and read: one hash per user, a row per peer.
///
/// A row only moves forward, so it may be told late or twice. Each move gives it the next *stamp*: a
/// client says the highest one that it knows and is told the rows above it, whatever it missed. A stamp
/// is Redis's time in milliseconds, or one more than the last, so it is the row's age, too.
///
/// Receipts could be entries of the mailbox instead. Then each would cost an entry, its replay and an
/// ack per device, and whoever acks could fill the mailbox of whoever has sent.
package enum Positions {
  /// One conversation. Offsets are zero where nothing is known.
  package struct Row: Sendable, Hashable {
    /// The user's messages are delivered to the peer up to this offset of the peer's mailbox.
    package var delivered: Offset
    /// The peer has read them up to this offset of the peer's mailbox.
    package var read: Offset
    /// The user has read the peer's messages up to this offset of the user's own mailbox.
    package var mine: Offset
    package var stamp: UInt64

    package init(delivered: Offset, read: Offset, mine: Offset, stamp: UInt64) {
      self.delivered = delivered
      self.read = read
      self.mine = mine
      self.stamp = stamp
    }

    /// Reads `<delivered> <read> <mine> <stamp>`.
    init?(_ text: String) {
      let parts = text.split(separator: " ", omittingEmptySubsequences: false)
      guard parts.count == 4, let delivered = Offset(String(parts[0])),
        let read = Offset(String(parts[1])), let mine = Offset(String(parts[2])),
        let stamp = UInt64(parts[3])
      else { return nil }
      self.init(delivered: delivered, read: read, mine: mine, stamp: stamp)
    }
  }

  /// What is not of one conversation.
  package struct Summary: Sendable, Hashable {
    /// The highest stamp; 0 if no row ever moved.
    package var top: UInt64 = 0
    /// All of a conversation without ``Row/mine`` is read up to here: rows that said more were removed.
    package var floor = Offset.zero
    /// The positions of all messages up to here in the user's mailbox are on the bus; nil if that was
    /// never noted.
    package var delivered: Offset?

    package init() {}
  }

  /// All that is kept for a user.
  package struct Table: Sendable {
    package var summary = Summary()
    package var rows: [(peer: UserName, row: Row)] = []

    package init() {}
  }

  /// What came of a move.
  package struct Advance: Sendable {
    /// Whether something is further than before.
    package let moved: Bool
    /// The highest stamp before it.
    package let previous: UInt64
    /// Nil if there is none: the peer has read, of a conversation that is not known.
    package let row: Row?
    package let floor: Offset
    /// Connected devices of the user.
    package let sessions: [Session]
  }

  static let topField = "!top"
  static let floorField = "!floor"
  static let deliveredField = "!delivered"

  /// Appends a read of the summary.
  package static func summary(of key: RedisKey, to batch: inout RedisBatch) -> Reply<Summary> {
    batch.append(
      "HMGET", key, Self.topField, Self.floorField, Self.deliveredField,
      isRepeatable: true
    ).reading { cursor throws(RedisError) in
      guard try cursor.array() == 3 else {
        throw .unexpectedReply("HMGET of three fields did not answer three")
      }
      var summary = Summary()
      for field in [Self.topField, Self.floorField, Self.deliveredField] {
        if let value = try cursor.string() { summary.read(value, of: field) }
      }
      return summary
    }
  }

  /// Appends a read of the highest stamp.
  package static func top(of key: RedisKey, to batch: inout RedisBatch) -> Reply<UInt64> {
    batch.value(of: Self.topField, in: key) { cursor throws(RedisError) in
      try cursor.string().flatMap { UInt64($0) } ?? 0
    }
  }

  /// Appends a read of everything, of at most about ``BusLimits/positionsPerUser`` rows. Rows in an
  /// unknown form are left out.
  package static func table(of key: RedisKey, to batch: inout RedisBatch) -> Reply<Table> {
    batch.fields(of: key, Self.read)
  }

  /// Reads a whole table.
  package static func read(_ cursor: inout ReplyCursor) throws(RedisError) -> Table {
    var table = Table()
    for _ in 0..<(try cursor.array() ?? 0) / 2 {
      let field = try cursor.string() ?? ""
      let value = try cursor.string() ?? ""
      if field.hasPrefix("!") {
        table.summary.read(value, of: field)
      } else if let peer = UserName(field), let row = Row(value) {
        table.rows.append((peer, row))
      }
    }
    return table
  }

  /// Moves a row forward, as far as it is not there yet; see `Scripts/advance_position.lua`.
  ///
  /// - Parameters:
  ///   - told: what the peer says of the user's messages.
  ///   - mine: how far the user has read the peer's.
  package static func advance(
    _ user: UserName, peer: UserName, told: Envelope.Position = Envelope.Position(),
    mine: Offset = .zero, keys: Keys, limits: PositionLimits
  ) -> ScriptCall<Advance> {
    ScriptCall(
      .advancePosition, keys: [keys.positions(user), keys.session(user)],
      peer.text, "\(told.delivered)", "\(told.read)", "\(mine)", "\(limits.rows)",
      "\(limits.retentionSeconds)", "\(limits.keySeconds)", read: Advance.init(from:))
  }

  /// Notes that the positions of all messages up to `offset` are on the bus. Answers the highest offset
  /// so noted, perhaps by another device of the user.
  package static func raiseDelivered(
    to offset: Offset, in key: RedisKey, limits: PositionLimits
  ) -> ScriptCall<Offset> {
    ScriptCall(
      .raiseDelivered, keys: [key], "\(offset)", "\(limits.keySeconds)", read: Offset.read)
  }

  /// Appends the removal of what was so noted.
  package static func removeDelivered(from key: RedisKey, in batch: inout RedisBatch) {
    batch.append("HDEL", key, Self.deliveredField)
  }
}

/// Bounds of a user's positions.
package struct PositionLimits: Sendable, Hashable {
  /// Conversations per user.
  package var rows: Int
  /// How long a row is kept that does not move, in seconds.
  package var retentionSeconds: Int

  package init(
    rows: Int = BusLimits.positionsPerUser,
    retentionSeconds: Int = BusLimits.mailboxRetentionSeconds
  ) {
    self.rows = rows
    self.retentionSeconds = retentionSeconds
  }

  /// How long the key outlives its last write, in seconds.
  var keySeconds: Int { self.retentionSeconds + BusLimits.mailboxExpirySlackSeconds }
}

extension Positions.Summary {
  fileprivate mutating func read(_ value: String, of field: String) {
    switch field {
    case Positions.topField: self.top = UInt64(value) ?? 0
    case Positions.floorField: self.floor = Offset(value) ?? .zero
    case Positions.deliveredField: self.delivered = Offset(value)
    default: break
    }
  }
}

extension Positions.Advance {
  /// Reads the reply of `advance_position.lua`.
  fileprivate init(from cursor: inout ReplyCursor) throws(RedisError) {
    let count = try cursor.array() ?? 0
    guard count >= 4 else { throw .unexpectedReply("the move of a position answered no row") }
    self.moved = try cursor.integer() == 1
    self.previous = try cursor.string().flatMap { UInt64($0) } ?? 0
    self.row = try cursor.string().flatMap { Positions.Row($0) }
    self.floor = try cursor.string().flatMap { Offset($0) } ?? .zero
    self.sessions = try SessionRegistry.sessions(count: (count - 4) / 2, from: &cursor)
  }
}

extension Offset {
  /// Nil for zero, which stands for nothing where one is stored.
  package var unlessZero: Offset? { self == .zero ? nil : self }
}
