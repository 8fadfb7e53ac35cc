import ConnectProtocol
import SeededRandom
import Testing

@testable import ConnectClient

@Suite struct SendQueueTests {
  private func queue(_ count: Int, sendsPerSecond: Int = 0) -> SendQueueStateMachine {
    var queue = SendQueueStateMachine()
    for number in 0..<count { queue.append(outgoing(number)) }
    queue.connected(sendsPerSecond: sendsPerSecond, serverNow: 1_000, now: 0)
    return queue
  }

  /// The messages that go out now, `r` marking repeats.
  private func sent(_ queue: inout SendQueueStateMachine, now: UInt64 = 0) -> [String] {
    var result: [String] = []
    while case .send(let message, let retry) = queue.next(now: now) {
      result.append(message.id.text + (retry == .no ? "" : "r"))
    }
    return result
  }

  @Test func messagesGoOutInOrder() {
    var queue = self.queue(3)
    #expect(self.sent(&queue) == ["m0", "m1", "m2"])
    queue.append(outgoing(3))
    #expect(self.sent(&queue) == ["m3"])
    #expect(queue.unanswered == 4)
  }

  @Test func whatTheAppSendsAgainGoesOutAsARepeat() {
    var queue = self.queue(1)
    var again = outgoing(1)
    again.retry = .yes
    queue.append(again)
    queue.append(outgoing(2))
    #expect(self.sent(&queue) == ["m0", "m1r", "m2"])
  }

  @Test func aRepeatSaysByTheServersClockWhenItWasFirstSent() {
    var queue = SendQueueStateMachine()
    queue.append(outgoing(0))
    var again = outgoing(1)
    again.retry = .yes
    queue.append(again)
    queue.connected(sendsPerSecond: 0, serverNow: 5_000, now: 0)
    #expect(queue.next(now: 2_000_000_000) == .send(outgoing(0), retry: .no))
    // When that was first sent, only the app could know.
    #expect(queue.next(now: 2_000_000_000) == .send(again, retry: .yes))
    queue.disconnected()
    // The clock of the next server is ahead, and nobody's business.
    queue.connected(sendsPerSecond: 0, serverNow: 90_000, now: 3_000_000_000)
    #expect(queue.next(now: 4_000_000_000) == .send(outgoing(0), retry: .firstSent(7_000)))
    #expect(queue.next(now: 4_000_000_000) == .send(again, retry: .yes))
    queue.disconnected()
    queue.connected(sendsPerSecond: 0, serverNow: 99_000, now: 5_000_000_000)
    #expect(queue.next(now: 5_000_000_000) == .send(outgoing(0), retry: .firstSent(7_000)))
  }

  @Test func aCopyCountsAsAnAnswerWhetherOrNotTheMessageIsOnTheWay() {
    var queue = self.queue(3)
    _ = self.sent(&queue)
    #expect(queue.copied(messageID(0)) == true)
    #expect(queue.copied(messageID(0)) == false)
    queue.disconnected()
    #expect(queue.copied(messageID(1)) == true)
    #expect(queue.copied(messageID(9)) == false)
    queue.connected(sendsPerSecond: 0, serverNow: 1_000, now: 0)
    #expect(self.sent(&queue) == ["m2r"])
  }

  @Test func aCopyOfTheLastThatIsToGoAgainLetsWhatIsNewGo() {
    var queue = self.queue(3)
    _ = self.sent(&queue)
    for number in 0..<3 { _ = queue.rejected(messageID(number), until: 10, mayBeTaken: true) }
    queue.append(outgoing(3))
    #expect(self.sent(&queue, now: 10) == ["m0r"])
    #expect(queue.settled(messageID(0)) == true)
    #expect(queue.copied(messageID(1)) == true)
    #expect(queue.copied(messageID(2)) == true)
    #expect(self.sent(&queue, now: 10) == ["m3"])
    #expect(queue.unanswered == 1)
  }

  @Test func nothingGoesOutWithoutAConnection() {
    var queue = SendQueueStateMachine()
    queue.append(outgoing(0))
    #expect(queue.next(now: 0) == .none)
    queue.connected(sendsPerSecond: 0, serverNow: 1_000, now: 0)
    queue.disconnected()
    #expect(queue.next(now: 0) == .none)
    queue.connected(sendsPerSecond: 0, serverNow: 1_000, now: 0)
    #expect(self.sent(&queue) == ["m0"])
  }

  @Test func answersInAnyOrderCount() {
    var queue = self.queue(3)
    _ = self.sent(&queue)
    #expect(queue.settled(messageID(1)) == true)
    #expect(queue.unanswered == 2)
    #expect(queue.settled(messageID(2)) == true)
    #expect(queue.settled(messageID(0)) == true)
    #expect(queue.unanswered == 0)
  }

  @Test func anAnswerCountsOnceAndOnlyForWhatWasSent() {
    var queue = self.queue(2, sendsPerSecond: 1)
    #expect(self.sent(&queue) == ["m0"])
    #expect(queue.settled(messageID(1)) == false)
    #expect(queue.settled(messageID(0)) == true)
    #expect(queue.settled(messageID(0)) == false)
    #expect(queue.settled(messageID(9)) == false)
    #expect(queue.rejected(messageID(0), until: 0, mayBeTaken: true) == false)
    #expect(queue.unanswered == 1)
  }

  @Test func afterAReconnectWhatHasNoAnswerGoesFirstAndAsARepeat() {
    var queue = self.queue(4)
    _ = self.sent(&queue)
    _ = queue.settled(messageID(1))
    queue.disconnected()
    queue.append(outgoing(4))
    queue.connected(sendsPerSecond: 0, serverNow: 1_000, now: 0)
    #expect(self.sent(&queue) == ["m0r", "m2r", "m3r", "m4"])
  }

  @Test func aRejectionHoldsEverythingUntilWhatIsOnTheWayIsAnswered() {
    var queue = self.queue(4)
    _ = self.sent(&queue)
    #expect(queue.rejected(messageID(1), until: 100, mayBeTaken: true) == true)
    queue.append(outgoing(4))
    #expect(queue.next(now: 500) == .none)
    _ = queue.settled(messageID(0))
    #expect(queue.rejected(messageID(2), until: 200, mayBeTaken: true) == true)
    #expect(queue.next(now: 500) == .none)
    _ = queue.settled(messageID(3))
    #expect(queue.next(now: 199) == .wait(until: 200))
    // One alone, to see whether it is taken now.
    #expect(self.sent(&queue, now: 200) == ["m1r"])
    _ = queue.settled(messageID(1))
    // The others that were rejected, but nothing new before they are answered.
    #expect(self.sent(&queue, now: 200) == ["m2r"])
    _ = queue.settled(messageID(2))
    #expect(self.sent(&queue, now: 200) == ["m4"])
  }

  @Test func aRepeatThatIsRejectedAgainWaitsAgain() {
    var queue = self.queue(3)
    _ = self.sent(&queue)
    for number in 0..<3 { _ = queue.rejected(messageID(number), until: 10, mayBeTaken: true) }
    #expect(self.sent(&queue, now: 10) == ["m0r"])
    _ = queue.rejected(messageID(0), until: 20, mayBeTaken: true)
    #expect(queue.next(now: 10) == .wait(until: 20))
    #expect(self.sent(&queue, now: 20) == ["m0r"])
    _ = queue.settled(messageID(0))
    #expect(self.sent(&queue, now: 20) == ["m1r", "m2r"])
    _ = queue.rejected(messageID(1), until: 30, mayBeTaken: true)
    #expect(queue.next(now: 40) == .none)
    _ = queue.settled(messageID(2))
    #expect(self.sent(&queue, now: 40) == ["m1r"])
    _ = queue.settled(messageID(1))
    #expect(queue.unanswered == 0)
    queue.append(outgoing(3))
    #expect(self.sent(&queue, now: 40) == ["m3"])
  }

  @Test func whatWasTurnedAwayUnseenGoesAsIfItWereNew() {
    var queue = self.queue(3)
    _ = self.sent(&queue)
    _ = queue.rejected(messageID(0), until: 10, mayBeTaken: false)
    _ = queue.rejected(messageID(1), until: 10, mayBeTaken: true)
    _ = queue.rejected(messageID(2), until: 10, mayBeTaken: false)
    #expect(self.sent(&queue, now: 10) == ["m0"])
    _ = queue.settled(messageID(0))
    #expect(self.sent(&queue, now: 10) == ["m1r", "m2"])
    // Once in doubt, always in doubt.
    _ = queue.rejected(messageID(1), until: 20, mayBeTaken: false)
    _ = queue.settled(messageID(2))
    #expect(self.sent(&queue, now: 20) == ["m1r"])
  }

  @Test func whatADrainingServerTurnsAwayKeepsItsOrderOnTheNextConnection() {
    var queue = self.queue(4)
    _ = self.sent(&queue)
    _ = queue.settled(messageID(0))
    _ = queue.rejected(messageID(1), until: 1_000, mayBeTaken: false)
    queue.append(outgoing(4))
    queue.hold()
    _ = queue.rejected(messageID(2), until: 1_000, mayBeTaken: false)
    #expect(queue.next(now: 2_000) == .none)
    queue.disconnected()
    queue.connected(sendsPerSecond: 0, serverNow: 1_000, now: 0)
    // m3 had no answer at all.
    #expect(self.sent(&queue, now: 0) == ["m1", "m2", "m3r", "m4"])
  }

  @Test func aReconnectEndsTheWaitThatTheOldServerAskedFor() {
    var queue = self.queue(2)
    _ = self.sent(&queue)
    _ = queue.rejected(messageID(0), until: 1_000, mayBeTaken: true)
    queue.disconnected()
    queue.connected(sendsPerSecond: 0, serverNow: 1_000, now: 0)
    #expect(self.sent(&queue, now: 0) == ["m0r", "m1r"])
  }

  @Test func afterGoodbyeNothingMoreIsSentHere() {
    var queue = self.queue(1)
    _ = self.sent(&queue)
    queue.hold()
    queue.append(outgoing(1))
    #expect(queue.next(now: 0) == .none)
    #expect(queue.settled(messageID(0)) == true)
    queue.disconnected()
    queue.connected(sendsPerSecond: 0, serverNow: 1_000, now: 0)
    #expect(self.sent(&queue) == ["m1"])
  }

  @Test func thePaceIsTheServers() {
    var queue = self.queue(60, sendsPerSecond: 100)
    #expect(self.sent(&queue, now: 1_000_000_000).count == 50)
    guard case .wait(let until) = queue.next(now: 1_000_000_000) else {
      Issue.record("no wait")
      return
    }
    #expect(until > 1_000_000_000)
    #expect(self.sent(&queue, now: 2_000_000_000).count == 10)
  }

  /// A server that takes, rejects, loses and disconnects at random: whatever happens, all is taken
  /// in the end, repeats are marked, and nothing new overtakes what waits to be sent again.
  @Test(arguments: 0..<200 as Range<UInt64>)
  func whateverTheServerDoesAllIsTaken(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    var queue = SendQueueStateMachine()
    var appended = 0
    var onTheWay: [Int] = []
    var everSent: Set<Int> = []
    /// Those that the server may have taken although it never said so.
    var uncertain: Set<Int> = []
    var rejected: Set<Int> = []
    var taken: Set<Int> = []
    var isConnected = false
    var now: UInt64 = 0
    var steps = 0
    while taken.count < 60 {
      steps += 1
      if steps > 100_000 {
        Issue.record("no end with seed \(seed)")
        return
      }
      now += 1
      switch UInt8.random(in: 0..<20, using: &random) {
      case 0..<4 where appended < 60:
        queue.append(outgoing(appended))
        appended += 1
      case 4 where isConnected:
        queue.disconnected()
        isConnected = false
        uncertain.formUnion(onTheWay)
        onTheWay = []
        rejected = []
      case 5..<9 where !isConnected:
        queue.connected(sendsPerSecond: 0, serverNow: 1_000, now: 0)
        isConnected = true
      case 9..<14:
        guard case .send(let message, let retry) = queue.next(now: now) else { continue }
        let number = Int(message.id.text.dropFirst())!
        #expect(isConnected)
        #expect((retry != .no) == uncertain.contains(number))
        #expect(!taken.contains(number))
        if !rejected.isEmpty {
          #expect(rejected.contains(number), "\(number) overtakes what was rejected")
          #expect(number == rejected.min())
        }
        rejected.remove(number)
        #expect(onTheWay.allSatisfy { $0 != number })
        if !everSent.contains(number) { #expect(everSent.allSatisfy { $0 < number }) }
        everSent.insert(number)
        onTheWay.append(number)
      default:
        guard !onTheWay.isEmpty else { continue }
        let number = onTheWay.remove(at: Int.random(in: 0..<min(3, onTheWay.count), using: &random))
        if Bool.random(using: &random) {
          #expect(queue.settled(messageID(number)) == true)
          taken.insert(number)
        } else {
          let mayBeTaken = Bool.random(using: &random)
          #expect(
            queue.rejected(messageID(number), until: now + 2, mayBeTaken: mayBeTaken) == true)
          rejected.insert(number)
          if mayBeTaken { uncertain.insert(number) }
        }
      }
    }
    #expect(queue.unanswered == 0)
  }
}
