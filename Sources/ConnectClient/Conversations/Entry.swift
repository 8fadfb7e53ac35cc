import ConnectProtocol

extension Conversation {
  /// A message of a conversation, as an app shows it.
  public struct Entry: Hashable, Sendable {
    /// The sender's id for it.
    public let id: MessageID
    /// The sender.
    public let from: UserName
    /// The recipient.
    public let to: UserName
    /// Whether this user has sent it.
    public let isMine: Bool
    /// What it says.
    public let body: MessageBody
    /// When the server took it, in milliseconds since 1970; while it waits, when the app sent it.
    public let at: UInt64
    /// Its place in this user's mailbox; nil while the user's own message has none yet.
    public let offset: Offset?
    /// Whether it counts as unread nowhere, such as an edit of another message.
    public let isQuiet: Bool
    /// How far it has got.
    public let state: State
    /// Why it is ``State/failed``.
    public let failure: Failure?

    /// What tells it from all others of the conversation: ids are unique for each sender only.
    public var key: Key { Key(from: self.from, id: self.id) }

    /// Sender and id of a message.
    public struct Key: Hashable, Sendable {
      /// The sender.
      public let from: UserName
      /// The sender's id for it.
      public let id: MessageID
    }
  }

  /// How far a message has got.
  public enum State: Hashable, Sendable {
    /// Mine: not answered by the server yet. It is sent when there is a connection, after a restart of the app, too.
    case waiting
    /// Mine: the server has it.
    case accepted
    /// Mine: a device of the peer has it.
    case delivered
    /// Mine: the peer has read it. Theirs: this user has, on one of the devices.
    case read
    /// Mine: the server does not take it, or could not store it; see ``Entry/failure``.
    case failed
    /// Theirs: not read yet.
    case received
  }

  /// Why a message failed.
  public struct Failure: Hashable, Sendable {
    /// A `RejectionCode` or a `FailureCode`, or what a newer server says.
    public let code: String
    /// Its meaning, for a developer to read.
    public let message: String
  }
}

/// An entry as a log keeps it: what was told, and nothing that follows from positions.
struct LogEntry: Hashable, Sendable {
  var id: MessageID
  var from: UserName
  var to: UserName
  var body: MessageBody
  var at: UInt64
  /// Its place in this user's mailbox.
  var offset: Offset?
  /// The place of an own message in the recipient's mailbox, in which positions are told.
  var place: Offset?
  var isQuiet = false
  var failure: Conversation.Failure?
  /// The order in which own messages were sent.
  var number: UInt64 = 0
  /// Whether the server may have it though it was not answered.
  var mayBeTaken = false
  /// It was not sent before this, in milliseconds since 1970 by the server's clock.
  var sentAfter: UInt64?

  init(
    id: MessageID, from: UserName, to: UserName, body: MessageBody, at: UInt64,
    offset: Offset? = nil, place: Offset? = nil, isQuiet: Bool = false
  ) {
    self.id = id
    self.from = from
    self.to = to
    self.body = body
    self.at = at
    self.offset = offset
    self.place = place
    self.isQuiet = isQuiet
  }

  init(_ message: IncomingMessage, to user: UserName) {
    self.init(
      id: message.id, from: message.from, to: user, body: message.body, at: message.at,
      offset: message.offset, place: message.from == user ? message.offset : nil,
      isQuiet: message.quiet)
  }

  init(_ sent: SentMessage, from user: UserName) {
    self.init(
      id: sent.id, from: user, to: sent.to, body: sent.body, at: sent.at, offset: sent.offset,
      place: sent.peerOffset, isQuiet: sent.quiet)
  }

  var key: Conversation.Entry.Key { Conversation.Entry.Key(from: self.from, id: self.id) }

  /// Whether it waits for the server's answer; of own messages.
  var isWaiting: Bool { self.offset == nil && self.place == nil && self.failure == nil }

  /// As it is given to the client that sends it. Receipt and copy are always on: without them devices
  /// of one user show different things.
  var outgoing: OutgoingMessage {
    OutgoingMessage(
      id: self.id, to: self.to, body: self.body, receipt: true, copy: true, quiet: self.isQuiet,
      retry: self.mayBeTaken ? self.sentAfter.map { .firstSent($0) } ?? .yes : .no)
  }
}
