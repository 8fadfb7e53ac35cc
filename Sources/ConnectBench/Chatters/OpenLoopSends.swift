import ConnectProtocol
import DequeModule
import NIOCore

/// Messages of a sender to one user that have no answer yet, in the order in which it wrote them:
/// which message goes out next, and whether as a repeat.
///
/// It waits for no answer. The rules of Protocol.md (4 and 5) alone hold it back: what was rejected
/// goes again when the time is over that the server told, in the old order and before anything new; so
/// does everything unanswered after a reconnect; `retry` is said on what may have been taken.
///
/// `ConnectClient` does more: behind a rejection it waits until all it has sent is answered, and tries
/// one message first. This one sends as soon as it may. Pure: times are nanoseconds of the caller's clock.
struct OpenLoopSends {
  struct Message: Hashable {
    let id: MessageID
    let body: ByteBuffer
    fileprivate(set) var state = MessageState.new
    /// Whether an earlier attempt may have been accepted.
    fileprivate(set) var mayBeTaken = false
    /// When it was sent last.
    fileprivate var sentAt: UInt64 = 0
    /// Until when the server keeps its place at least, once it was rejected.
    fileprivate var placeEnds = UInt64.max
    /// Whether it is sent again so late that the server may have given its place to later ones.
    fileprivate(set) var isLate = false

    init(id: MessageID, body: ByteBuffer) {
      self.id = id
      self.body = body
    }
  }

  enum MessageState: Hashable {
    /// Never sent. May become `.sent`.
    case new
    /// Sent. May become `.again`; removed once it is accepted, or refused permanently.
    case sent
    /// To be sent again, not before this time. May become `.sent`.
    case again(UInt64)
  }

  private var messages = Deque<Message>()

  /// Messages without a final answer, sent or not.
  var unanswered: Int { self.messages.count }

  mutating func append(_ id: MessageID, body: ByteBuffer) {
    self.messages.append(Message(id: id, body: body))
  }

  /// The message to send now, which counts as sent from now on; nil if there is none.
  mutating func next(now: UInt64) -> Message? {
    var firstNew: Int?
    for index in self.messages.indices {
      switch self.messages[index].state {
      case .sent: continue
      case .again(let time):
        // All behind it waits, too.
        guard time <= now else { return nil }
        return self.send(index, now: now)
      case .new:
        firstNew = firstNew ?? index
      }
    }
    return firstNew.map { self.send($0, now: now) }
  }

  private mutating func send(_ index: Int, now: UInt64) -> Message {
    self.messages[index].state = .sent
    self.messages[index].isLate = now > self.messages[index].placeEnds
    self.messages[index].sentAt = now
    self.messages[index].placeEnds = .max
    return self.messages[index]
  }

  /// The server has taken a message, or refused it for good.
  ///
  /// - Returns: whether it had been waiting for an answer.
  mutating func settled(_ id: MessageID) -> Bool {
    guard let index = self.sent(id) else { return false }
    self.messages.remove(at: index)
    return true
  }

  /// The server asks to send a message again.
  ///
  /// - Parameters:
  ///   - wait: after this time.
  ///   - now: when that was read, which may be long after it was said.
  ///   - mayBeTaken: whether the server may have taken it nevertheless.
  /// - Returns: whether it had been waiting for an answer.
  mutating func rejected(
    _ id: MessageID, wait: UInt64, now: UInt64, mayBeTaken: Bool
  ) -> Bool {
    guard let index = self.sent(id) else { return false }
    self.messages[index].state = .again(now + wait)
    let kept = UInt64(FaultLimits.placesKept / .nanoseconds(1))
    self.messages[index].placeEnds = self.messages[index].sentAt + wait + kept
    if mayBeTaken { self.messages[index].mayBeTaken = true }
    return true
  }

  private func sent(_ id: MessageID) -> Int? {
    self.messages.firstIndex { $0.state == .sent && $0.id == id }
  }

  /// The connection is gone, and with it the answers that had not come: on the next, all that was sent
  /// is due at once.
  mutating func disconnected() {
    for index in self.messages.indices {
      switch self.messages[index].state {
      case .new: continue
      case .sent: self.messages[index].mayBeTaken = true
      case .again: break
      }
      self.messages[index].state = .again(0)
      // All goes again, in order, before anything new.
      self.messages[index].placeEnds = .max
    }
  }
}
