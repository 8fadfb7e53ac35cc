import ConnectProtocol

/// Keeps the order of a client that sends on before it has read that something was rejected.
///
/// If a message is rejected for the moment and the one behind it is taken, the first can only come
/// after it: order is lost. So what goes to the same recipient is rejected, too, until the client has
/// sent the rejected ones again, each in its turn.
///
/// It decides when a frame is read. What was read before a failure and is still on its way to Redis is
/// the producer's business, which fails it as well: see `IncomingProducer`.
///
/// Costs nothing while nothing is rejected. Pure: times are nanoseconds of the caller's clock, which is to stand still
/// while the gateway does: what a client sent before a pause is read after it, and would be taken to mean that it has
/// given up the rejected ones.
struct SendOrder {
  /// Position of a message among those of its connection.
  struct Place: Hashable, Comparable {
    fileprivate let number: UInt64

    static func < (left: Place, right: Place) -> Bool { left.number < right.number }
  }

  private struct Rejected {
    let to: UserName
    let id: MessageID
    let place: Place
  }

  /// A message, as the hash of its recipient and its id.
  struct Name: Hashable {
    private let hash: Int

    init(to: UnsafeRawBufferPointer, id: UnsafeRawBufferPointer) {
      var hasher = Hasher()
      hasher.combine(bytes: to)
      hasher.combine(to.count)
      hasher.combine(bytes: id)
      self.hash = hasher.finalize()
    }

    init(to: UserName, id: MessageID) {
      var (to, id) = (to.text, id.text)
      self = to.withUTF8 { to in
        id.withUTF8 { id in
          Name(to: UnsafeRawBufferPointer(to), id: UnsafeRawBufferPointer(id))
        }
      }
    }
  }

  /// Why a message is not accepted now, and when to send it again.
  struct Refusal: Hashable {
    var code: RejectionCode
    var message: String
    var retryAfterMilliseconds: Int
  }

  private static let hold = UInt64(GatewayLimits.holdRejectedMilliseconds) * 1_000_000

  /// Why the last one was rejected; those that wait for it are rejected for the same reason.
  private(set) var refusal = Refusal(code: .unavailable, message: "", retryAfterMilliseconds: 0)

  /// In the order in which they were first sent.
  private var rejected: [Rejected] = []
  /// Time at which they are given up if the client sends none of them again.
  private var until: UInt64 = 0
  /// Since when the client is not read; nil while it is.
  private var stopped: UInt64?
  private var next: UInt64 = 0
  /// The latest messages whose copies went to the client.
  private var copies: [Name] = []
  private var oldestCopy = 0

  /// Whether nothing is remembered that matters to a message that comes, unless one is under way.
  var isAtRest: Bool { self.rejected.isEmpty && self.copies.isEmpty }

  /// Rejected messages that were not sent again.
  var count: Int { self.rejected.count }

  /// Whether the limit of remembered messages is reached, and this one is not among them.
  mutating func isFull(for id: MessageID, to: UserName, now: UInt64) -> Bool {
    guard self.rejected.count >= GatewayLimits.heldSends else { return false }
    self.giveUpLate(now: now)
    return self.rejected.count >= GatewayLimits.heldSends && !self.isHeld(id, to: to)
  }

  private func isHeld(_ id: MessageID, to: UserName) -> Bool {
    self.rejected.contains { $0.id == id && $0.to == to }
  }

  private mutating func giveUpLate(now: UInt64) {
    // The client does without them, or it would have sent them again.
    if now >= self.until { self.rejected = [] }
  }

  /// Asks whether a message may be taken now.
  ///
  /// - Returns: its place, to be given to ``rejected(_:to:at:for:now:)`` should it be rejected after all;
  ///   nil if others come first.
  mutating func place(for id: MessageID, to: UserName, now: UInt64) -> Place? {
    if self.rejected.isEmpty { return self.newPlace() }
    self.giveUpLate(now: now)
    guard let first = self.rejected.firstIndex(where: { $0.to == to }) else {
      return self.newPlace()
    }
    if self.rejected[first].id == id {
      self.until = now + Self.hold
      return self.rejected.remove(at: first).place
    }
    if self.wasCopied(id, to: to) { return self.newPlace() }
    self.append(Rejected(to: to, id: id, place: self.newPlace()))
    return nil
  }

  /// The client is not read from now on.
  mutating func readingStopped(now: UInt64) {
    if self.stopped == nil { self.stopped = now }
  }

  /// The client is read again: what comes now may have been sent before it could know of the last rejection.
  mutating func readingResumed(now: UInt64) {
    guard let stopped = self.stopped.take(), !self.rejected.isEmpty else { return }
    let wait = UInt64(self.refusal.retryAfterMilliseconds) * 1_000_000
    self.until = max(self.until, min(self.until + (now - stopped), now + Self.hold + wait))
  }

  private mutating func newPlace() -> Place {
    self.next += 1
    return Place(number: self.next)
  }

  /// Remembers a rejected message that the client was asked to send again, unless its copy came before.
  mutating func rejected(
    _ id: MessageID, to: UserName, at place: Place, for refusal: Refusal, now: UInt64
  ) {
    if self.wasCopied(id, to: to) { return }
    self.until = now + Self.hold + UInt64(refusal.retryAfterMilliseconds) * 1_000_000
    self.refusal = refusal
    self.append(Rejected(to: to, id: id, place: place))
  }

  /// A copy of a message goes to the client, which takes that for the answer: it does not send the message
  /// again, and nothing is to wait for it, although it may be rejected yet.
  mutating func copied(_ name: Name) {
    if !self.rejected.isEmpty {
      self.rejected.removeAll { Name(to: $0.to, id: $0.id) == name }
    }
    if self.copies.count < GatewayLimits.heldSends {
      self.copies.append(name)
    } else {
      self.copies[self.oldestCopy] = name
      self.oldestCopy = (self.oldestCopy + 1) % self.copies.count
    }
  }

  /// Forgets copies: by now the client has answered all that was on its way when they came.
  mutating func forgetCopies() {
    self.copies = []
    self.oldestCopy = 0
  }

  /// Gives up what the client has not sent again in time, unless it is not read: then it may have.
  mutating func forgetLate(now: UInt64) {
    if self.stopped == nil { self.giveUpLate(now: now) }
  }

  private func wasCopied(_ id: MessageID, to: UserName) -> Bool {
    !self.copies.isEmpty && self.copies.contains(Name(to: to, id: id))
  }

  private mutating func append(_ message: Rejected) {
    guard !self.isHeld(message.id, to: message.to) else { return }
    let index = self.rejected.firstIndex { $0.place > message.place } ?? self.rejected.endIndex
    self.rejected.insert(message, at: index)
  }
}
