import ConnectProtocol
import MessageBus
import NIOCore

/// Puts together the answer to a request for history.
///
/// Pure.
struct HistoryLook {
  struct Answer: Hashable {
    /// The frames of the entries, newest first, with commas between them.
    var entries = ByteBuffer()
    var next: Offset?
    var isTrimmed = false
  }

  /// What an answer has beside its entries, at most.
  static let frameOverhead = 120 + MessageID.maximumLength + Offset.maximumTextLength

  private let peer: UserName?
  private let limit: Int
  private let maximumBytes: Int
  private var look: LogLook
  private var count = 0
  private(set) var answer = Answer()

  /// - Parameter frameBytes: the largest answer, unless a single entry is larger.
  init(_ request: ClientFrame.History, frameBytes: Int) {
    self.peer = request.peer
    self.limit = request.limit
    self.maximumBytes = frameBytes - Self.frameOverhead
    self.look = LogLook(below: request.before)
  }

  /// What is to be read first.
  mutating func start() -> LogLook.Read { LogLook.Read(page: self.look.next()) }

  /// What was asked for was read.
  ///
  /// - Returns: what is to be read next; nil if ``answer`` is complete.
  mutating func arrived(_ reply: LogLook.Reply) -> LogLook.Read? {
    for entry in reply.entries where self.look.isNext(entry) {
      // The next request begins with the entry that has no room in this answer.
      guard self.take(entry) else { return self.end() }
      self.look.look(at: entry)
    }
    if self.look.isAtBottom {
      self.answer.isTrimmed = reply.removed > .zero
      return nil
    }
    guard self.count < self.limit, let page = self.look.next() else { return self.end() }
    return LogLook.Read(page: page)
  }

  private mutating func end() -> LogLook.Read? {
    self.answer.next = self.look.below
    return nil
  }

  /// - Returns: whether there is room for the entry, or none is needed.
  private mutating func take(_ entry: Mailbox.Entry) -> Bool {
    guard let envelope = entry.envelope, envelope.isForClients, self.isAskedFor(envelope) else {
      return true
    }
    guard self.count < self.limit else { return false }
    let end = self.answer.entries.writerIndex
    if self.count > 0 { self.answer.entries.writeStaticString(",") }
    self.answer.entries.writeEntry(entry, envelope)
    if self.count > 0, self.answer.entries.readableBytes > self.maximumBytes {
      self.answer.entries.moveWriterIndex(to: end)
      return false
    }
    self.count += 1
    return true
  }

  private func isAskedFor(_ envelope: Envelope) -> Bool {
    guard let peer = self.peer else { return true }
    // The recipient of what this user has sent stands where the sender of a message does.
    return envelope.bytes.withUnsafeBytes { envelope.from(in: $0).elementsEqual(peer.text.utf8) }
  }
}
