import ConnectProtocol

/// An event of a client. Events come in order.
public enum ConnectEvent: Hashable, Sendable {
  /// An attempt begins; so many in a row have failed before it.
  case connecting(failures: Int)
  /// Welcomed; what the mailbox holds follows.
  case connected(ServerFrame.Welcome)
  /// All that the mailbox held has come.
  case live(Offset)
  /// A message for this user, told once however often it comes: in the life of a client, each offset
  /// once, and each sender's id once among the last few thousand messages. A new client object knows
  /// nothing of the one before: an app that stores what it shows compares the offset with the last
  /// that it stored.
  case message(IncomingMessage)
  /// A message that this user has sent with `copy`, from this device or another one: told once, as messages
  /// are, and in one order with them.
  case sent(SentMessage)
  /// A conversation is delivered or read further than before. It may come more than once, and an older one
  /// behind the answer to ``ConnectClient/read(_:through:isPrivate:)``: the greater of each field holds.
  case position(ServerFrame.Position)
  /// A message that the server had taken could not be stored after all, so its recipient does not get
  /// it, unless a later `sent` or `accepted` of the same id says that it is stored after all. The code is a `FailureCode`, or what a newer server says.
  ///
  /// It comes after `send` has returned, to whichever devices of the sender are or will be connected,
  /// like any message; where the connection broke in between even before `accepted`, and then perhaps
  /// twice. To try again is the app's decision: with the same id and `retry`, so that it is stored once
  /// even if the server's operator delivers the first one after all.
  case failed(ServerFrame.Failed)
  /// The server has taken a message.
  case accepted(id: MessageID, offset: Offset)
  /// The server has not taken a message. With `isFinal` it never will; else it is sent again.
  case rejected(ServerFrame.Rejected, isFinal: Bool)
  /// A peer has begun to type, or has stopped: by sending a message, or because nothing more was heard
  /// of it for a while.
  case typing(UserName, isTyping: Bool)
  /// Somebody passes something on; what is not `typing`.
  case signal(IncomingSignal)
  /// Users who are watched by ``ConnectClient/watchPresence(of:)`` have come or gone: all of them at first and
  /// after each reconnect, then those that changed. While disconnected nothing is known.
  case presence([UserName: ServerFrame.Presence.Status])
  /// A frame of ours made no sense to the server.
  case error(code: String, message: String)
  /// The connection has ended, or an attempt failed. Without a `retryIn`, that was the last event.
  case disconnected(ConnectionEnd, retryIn: Duration?)

  /// The place in the mailbox, of what has one and so is acked.
  public var offset: Offset? {
    switch self {
    case .message(let message): message.offset
    case .sent(let sent): sent.offset
    case .failed(let failed): failed.offset
    default: nil
    }
  }
}

/// A message for this user.
public struct IncomingMessage: Hashable, Sendable {
  /// Its place in the mailbox, and its identity.
  public var offset: Offset
  /// The sender.
  public var from: UserName
  /// The sender's id for it.
  public var id: MessageID
  /// When the server took it, in milliseconds since 1970.
  public var at: UInt64
  /// What it says.
  public var body: MessageBody
  /// Whether it counts as unread nowhere.
  public var quiet: Bool

  /// A message with everything chosen.
  public init(
    offset: Offset, from: UserName, id: MessageID, at: UInt64, body: MessageBody,
    quiet: Bool = false
  ) {
    self.offset = offset
    self.from = from
    self.id = id
    self.at = at
    self.body = body
    self.quiet = quiet
  }
}

/// A message that this user has sent.
public struct SentMessage: Hashable, Sendable {
  /// Its place in this user's mailbox.
  public var offset: Offset
  /// Its place in the recipient's mailbox, in which positions are told.
  public var peerOffset: Offset
  /// The recipient.
  public var to: UserName
  /// What the sender calls it.
  public var id: MessageID
  /// When the server took it, in milliseconds since 1970.
  public var at: UInt64
  /// What it says.
  public var body: MessageBody
  /// Whether it counts as unread nowhere.
  public var quiet: Bool

  /// A message with everything chosen.
  public init(
    offset: Offset, peerOffset: Offset, to: UserName, id: MessageID, at: UInt64, body: MessageBody,
    quiet: Bool = false
  ) {
    self.offset = offset
    self.peerOffset = peerOffset
    self.to = to
    self.id = id
    self.at = at
    self.body = body
    self.quiet = quiet
  }
}
