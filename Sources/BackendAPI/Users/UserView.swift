import ConnectProtocol
import Foundation
import Inspection
import MessageBus
import NIOCore

/// A backend's view of a user: JSON that only grows, separate from the output of `connect inspect`.
struct UserView: Encodable {
  struct Session: Encodable {
    let device: String
    let gateway: String
    let connection: String
    /// Whether the gateway that holds the connection is alive.
    let alive: Bool
  }

  struct Cursor: Encodable {
    let device: String
    let acked: Offset
    /// Mailbox entries that the device has not acked.
    let lag: Int
    /// Whether there are more: the count ends at 1,024.
    let lagIsMore: Bool
    /// In seconds since 1970.
    let lastSeen: Int?
  }

  struct Mailbox: Encodable {
    let entries: Int
    let oldest: Offset?
    let newest: Offset?
    /// Everything up to this offset was removed; nil if nothing was.
    let removed: Offset?
  }

  struct Position: Encodable {
    let peer: String
    /// How far the user's messages are delivered to the peer, and read, in the peer's mailbox.
    let delivered: Offset?
    let read: Offset?
    /// How far the user has read the peer's, in the user's mailbox.
    let mine: Offset?
    let stamp: UInt64
  }

  let user: String
  let sessions: [Session]
  let cursors: [Cursor]
  let mailbox: Mailbox
  let positions: [Position]
  /// All of a conversation without `mine` is read up to here; nil for nothing.
  let floor: Offset?
  /// Whether sessions, cursors or positions are omitted, because there are too many.
  let truncated: Bool
  /// In milliseconds since 1970, by Redis's clock.
  let at: UInt64

  init(_ report: UserReport) {
    let most = BackendAPILimits.listedDevices
    self.user = report.user
    self.sessions = report.sessions.prefix(most).map {
      Session(
        device: $0.device, gateway: $0.gateway, connection: $0.connection, alive: $0.isGatewayAlive)
    }
    self.cursors = report.cursors.prefix(most).map {
      Cursor(
        device: $0.device, acked: $0.acked, lag: $0.behind, lagIsMore: $0.isBehindMore,
        lastSeen: $0.lastSeenSeconds)
    }
    self.mailbox = Mailbox(
      entries: report.mailbox.length, oldest: report.mailbox.oldest,
      newest: report.mailbox.newest, removed: report.mailbox.removed)
    self.positions = report.positions.prefix(most).map {
      Position(
        peer: $0.peer, delivered: $0.delivered, read: $0.read, mine: $0.mine, stamp: $0.stamp)
    }
    self.floor = report.floor
    self.truncated =
      report.sessions.count > most || report.cursors.count > most || report.positions.count > most
    self.at = report.atMilliseconds
  }

  /// Appends the view as one line.
  func write(to buffer: inout ByteBuffer) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    buffer.writeBytes(try encoder.encode(self))
  }
}
