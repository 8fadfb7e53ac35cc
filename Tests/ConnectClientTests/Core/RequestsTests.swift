import ConnectProtocol
import Testing

@testable import ConnectClient

@Suite("Requests without an answer")
struct RequestsTests {
  private var requests = RequestsStateMachine()
  private static let second: UInt64 = 1_000_000_000
  private static let lifetime = ConnectClientLimits.requestMilliseconds * 1_000_000

  private func list(_ limit: Int = 1) -> ConnectRequest {
    .conversations(limit: limit, before: nil)
  }

  private func refusal(
    _ number: Int, _ code: RejectionCode = .rateLimited
  ) -> ServerFrame.Rejected {
    ServerFrame.Rejected(
      id: messageID(number), code: code.rawValue, message: "why", retryable: code.isRetryable,
      retryAfterMilliseconds: nil)
  }

  /// The ids of what is due.
  private mutating func asked(now: UInt64 = 0) -> [MessageID] {
    var ids: [MessageID] = []
    while true {
      switch self.requests.next(now: now) {
      case .write(_, let id), .watch(_, let id): ids.append(id)
      case .none, .wait: return ids
      }
    }
  }

  @Test("wait for a connection, and go on the next one again until they are answered")
  mutating func again() {
    self.requests.ask(self.list(), id: messageID(1), now: 0)
    #expect(self.asked() == [])
    self.requests.connected(requestsPerSecond: 0)
    #expect(self.asked() == [messageID(1)])
    #expect(self.asked() == [])
    self.requests.disconnected()
    #expect(self.asked() == [])
    self.requests.connected(requestsPerSecond: 0)
    #expect(self.asked() == [messageID(1)])
    #expect(self.requests.settled(messageID(1)) == .request)
    #expect(self.requests.settled(messageID(1)) == .nobody)
    self.requests.connected(requestsPerSecond: 0)
    #expect(self.asked() == [])
  }

  @Test("are under way a few at a time, and keep to the pace")
  mutating func bounds() {
    self.requests.connected(requestsPerSecond: 2)
    for number in 0..<20 { self.requests.ask(self.list(), id: messageID(number), now: 0) }
    var count = 0
    while count < 10 {
      let ids = self.asked()
      #expect(ids.count <= ConnectClientLimits.requestsUnderWay)
      guard !ids.isEmpty else { break }
      count += ids.count
      for id in ids { #expect(self.requests.settled(id) == .request) }
    }
    // The pace of five seconds at once, then two a second.
    #expect(count == 10)
    #expect(self.asked() == [])
    #expect(self.asked(now: Self.second / 2).count == 1)
  }

  @Test("that are refused for now are asked again after the wait, and for good fail with the code")
  mutating func refused() {
    self.requests.connected(requestsPerSecond: 0)
    for number in 1...2 { self.requests.ask(self.list(), id: messageID(number), now: 0) }
    #expect(self.asked() == [messageID(1), messageID(2)])
    #expect(
      self.requests.rejected(self.refusal(1), until: 3 * Self.second, now: 0) == .noted)
    #expect(self.requests.next(now: 0) == .wait(until: 3 * Self.second))
    #expect(self.asked(now: 3 * Self.second) == [messageID(1)])
    #expect(
      self.requests.rejected(self.refusal(2, .malformed), until: 0, now: 0)
        == .failed(.refused(code: "malformed", message: "why")))
    #expect(self.requests.rejected(self.refusal(3), until: 0, now: 0) == .unknown)
  }

  @Test("fail at once where they may be asked only after their time, and say when")
  mutating func tooLate() {
    self.requests.connected(requestsPerSecond: 0)
    for number in 1...2 { self.requests.ask(self.list(), id: messageID(number), now: 0) }
    #expect(self.asked().count == 2)
    #expect(
      self.requests.rejected(self.refusal(1), until: Self.lifetime, now: 0)
        == .failed(.rateLimited(retryAfter: .nanoseconds(Int64(Self.lifetime)))))
    #expect(
      self.requests.rejected(self.refusal(2, .overloaded), until: Self.lifetime, now: 0)
        == .failed(.unavailable("why (overloaded)")))
  }

  @Test("fail when their time is over, with what is known of the reason")
  mutating func expired() {
    self.requests.ask(self.list(), id: messageID(1), now: 0)
    #expect(self.requests.nextDeadline == Self.lifetime)
    #expect(self.requests.expire(now: Self.lifetime - 1).map(\.id) == [])
    let offline = self.requests.expire(now: Self.lifetime)
    #expect(offline.map(\.id) == [messageID(1)])
    #expect(offline.map(\.error) == [.unavailable("there was no connection within 15 s")])

    self.requests.connected(requestsPerSecond: 0)
    for number in 2...3 { self.requests.ask(self.list(), id: messageID(number), now: 0) }
    #expect(self.asked().count == 2)
    // The refusal that counts is the last answer: after asking again there is none.
    _ = self.requests.rejected(self.refusal(2), until: 1, now: 0)
    #expect(self.asked(now: 1) == [messageID(2)])
    _ = self.requests.rejected(self.refusal(3), until: Self.lifetime - 1, now: 0)
    #expect(
      self.requests.expire(now: Self.lifetime).map(\.error)
        == [
          .unavailable("the server did not answer within 15 s"), .rateLimited(retryAfter: .zero),
        ])
    #expect(self.requests.nextDeadline == nil)
  }

  @Test("that were cancelled are not asked, and count as under way if they were")
  mutating func cancelled() {
    self.requests.connected(requestsPerSecond: 0)
    let limit = ConnectClientLimits.requestsUnderWay
    for number in 0...limit { self.requests.ask(self.list(), id: messageID(number), now: 0) }
    #expect(self.asked().count == limit)
    self.requests.cancel(messageID(0))
    #expect(self.asked() == [])
    #expect(self.requests.settled(messageID(0)) == .nobody)
    self.requests.cancel(messageID(limit))
    #expect(self.asked() == [])
    #expect(self.requests.end().count == limit - 1)
  }

  @Test(
    "leave the watch in force: it is asked again after each connection and request for presence")
  mutating func watch() {
    self.requests.watch([alice], id: messageID(1))
    self.requests.watch([bob], id: messageID(2))
    self.requests.connected(requestsPerSecond: 0)
    #expect(self.asked() == [messageID(2)])
    #expect(self.requests.settled(messageID(2)) == .watch)
    self.requests.watch([bob], id: messageID(3))
    #expect(self.asked() == [])
    self.requests.ask(.presence([alice]), id: messageID(4), now: 0)
    #expect(self.asked() == [messageID(4), messageID(2)])
    #expect(self.requests.settled(messageID(4)) == .request)
    self.requests.connected(requestsPerSecond: 0)
    #expect(self.asked() == [messageID(2)])
    self.requests.watch([], id: messageID(5))
    #expect(self.asked() == [messageID(5)])
    #expect(self.requests.settled(messageID(5)) == .nobody)
    self.requests.connected(requestsPerSecond: 0)
    #expect(self.asked() == [])
  }

  @Test("and the watch waits after a refusal, too, and ends with one for good")
  mutating func watchRefused() {
    self.requests.connected(requestsPerSecond: 0)
    self.requests.watch([bob], id: messageID(1))
    #expect(self.asked() == [messageID(1)])
    let until = Self.second
    #expect(self.requests.rejected(self.refusal(1), until: until, now: 0) == .noted)
    #expect(self.requests.next(now: until - 1) == .wait(until: until))
    #expect(self.asked(now: until) == [messageID(1)])
    #expect(
      self.requests.rejected(self.refusal(1, .malformed), until: 0, now: until) == .watchRefused)
    self.requests.connected(requestsPerSecond: 0)
    #expect(self.asked() == [])
  }

  @Test("do not wait for a refused watch, whose own wait doubles to a minute until it is served")
  mutating func watchHeld() {
    self.requests.connected(requestsPerSecond: 0)
    self.requests.watch([bob], id: messageID(1))
    var now: UInt64 = 0
    for seconds: UInt64 in [2, 4, 8, 16, 32, 60, 60] {
      #expect(self.asked(now: now) == [messageID(1)])
      let later = now + 2 * Self.second
      #expect(self.requests.rejected(self.refusal(1), until: later, now: now) == .noted)
      self.requests.ask(self.list(), id: messageID(2), now: now)
      #expect(self.asked(now: now) == [messageID(2)])
      #expect(self.requests.settled(messageID(2)) == .request)
      now += seconds * Self.second
      #expect(self.requests.next(now: now - 1) == .wait(until: now))
    }
    #expect(self.asked(now: now) == [messageID(1)])
    #expect(self.requests.settled(messageID(1)) == .watch)
    self.requests.ask(.presence([alice]), id: messageID(3), now: now)
    #expect(self.asked(now: now) == [messageID(3), messageID(1)])
    let later = now + 2 * Self.second
    #expect(self.requests.rejected(self.refusal(1), until: later, now: now) == .noted)
    #expect(self.requests.next(now: now) == .wait(until: later))
  }
}
