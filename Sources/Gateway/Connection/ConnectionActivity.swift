import ConnectProtocol
import MessageBus
import NIOCore
import WebSocket

/// What only a connection needs that does something.
///
/// Most connections of a gateway idle most of the time. Such a one keeps its ``Rest`` instead, and gets an
/// activity again when something happens, with its client, its user's messages, or the clock. One that was used for
/// messages keeps its activity until the next ping, since making another for each message costs more than it saves.
///
/// Bound to its connection's event loop.
final class ConnectionActivity {
  /// What an idle connection knows of what it told its client.
  struct Rest: Hashable {
    var delivery = DeliveryStateMachine.Rest()
    /// All positions up to this stamp were told.
    var told: UInt64 = 0
    /// See ``PositionOutbox/takeTold()``.
    var hasToldPeers = false
  }

  /// Whether the client has said something, or a message came for it, since the last ping.
  var isInUse = false
  var delivery: DeliveryStateMachine
  /// Whether a message was pushed before the welcome, so that the mailbox must be read.
  var hasMissedPush = false
  var outbox: PositionOutbox
  var feed: PositionFeed
  var reads = ReadQueue()
  var requests = RequestQueue()
  var presence = PresenceState()
  /// The last message that was skipped; see ``ConnectionHandler/readSkipped()``.
  var skippedEnd = Offset.zero
  var isReadingSkipped = false
  var skippedPage = PageSize()
  /// Whether positions wait because the budget was used up.
  var holdsPositions = false
  var sendOrder = SendOrder()
  /// Whether the loop will call ``ConnectionHandler/retry()``.
  var awaitsRetry = false
  /// Why the connection must close, as soon as the client can be told.
  var farewell: Farewell?
  /// Whether reading is suspended until sends are answered.
  var awaitsAnswers = false
  var decoder: WebSocketDecoder
  /// Frames written within one turn of the loop leave as one buffer.
  var output = ByteBuffer()
  /// Whether the loop will flush it.
  var isDirty = false
  /// The stamp above which the client wants to be told positions, before the welcome.
  let positions: UInt64?

  /// Of a connection that is being opened.
  init(_ configuration: GatewayConfiguration, positions: UInt64?) {
    self.positions = positions
    self.delivery = DeliveryStateMachine(start: .zero, window: configuration.unackedMessages)
    self.outbox = PositionOutbox()
    self.feed = PositionFeed(after: nil, top: 0)
    self.decoder = Self.decoder(configuration)
  }

  /// Of one that was idle.
  ///
  /// - Parameter noted: all up to here is known to be noted as told to the senders.
  init(_ configuration: GatewayConfiguration, after rest: Rest, noted: Offset) {
    self.positions = nil
    self.delivery = DeliveryStateMachine(
      after: rest.delivery, window: configuration.unackedMessages, reported: noted)
    self.outbox = PositionOutbox(acked: rest.delivery.acked, hasTold: rest.hasToldPeers)
    self.feed = PositionFeed(after: rest.told, top: rest.told)
    self.decoder = Self.decoder(configuration)
  }

  private static func decoder(_ configuration: GatewayConfiguration) -> WebSocketDecoder {
    WebSocketDecoder(role: .server, maximumMessageBytes: configuration.frameBytes)
  }

  /// All that there is to know of it; nil if there is something to do, or to remember.
  var rest: Rest? {
    guard !self.isInUse, !self.isDirty, !self.awaitsRetry, let delivery = self.delivery.rest,
      let told = self.feed.stampAtRest, self.decoder.isEmpty, self.outbox.isAtRest,
      self.sendOrder.isAtRest, self.reads.isAtRest, self.requests.isAtRest,
      self.presence.isAtRest, self.farewell == nil,
      !(self.isReadingSkipped || self.holdsPositions || self.awaitsAnswers)
    else { return nil }
    return Rest(delivery: delivery, told: told, hasToldPeers: self.outbox.hasTold)
  }
}
