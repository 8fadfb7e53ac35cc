import ConnectProtocol
import TestSupport
import Testing

@testable import ConnectClient

@Suite struct InboxTests {
  private let millisecond: UInt64 = 1_000_000

  private func connected(after start: Offset = .zero, window: Int = 256) -> InboxStateMachine {
    var inbox = InboxStateMachine()
    inbox.connected(after: start, window: window)
    return inbox
  }

  @Test func whatComesTwiceIsPassedOnOnce() {
    var inbox = self.connected()
    #expect(inbox.receive(offset(1)) == true)
    #expect(inbox.receive(offset(2)) == true)
    #expect(inbox.receive(offset(2)) == false)
    #expect(inbox.receive(offset(1)) == false)
    #expect(inbox.receive(offset(3)) == true)
  }

  @Test func aCopyBehindTheFailureOfItsMessageIsNoRepeat() {
    var inbox = self.connected()
    func copy(_ number: UInt64, of peerOffset: UInt64 = 1) -> Bool {
      inbox.receive(offset(number), to: bob, id: messageID(1), at: offset(peerOffset))
    }
    #expect(copy(1) == true)
    #expect(copy(2) == false)
    #expect(inbox.receive(offset(3), failureOf: messageID(1), to: bob) == true)
    #expect(inbox.receive(offset(4), failureOf: messageID(2), to: bob) == true)
    #expect(copy(5) == true)
    #expect(copy(6) == false)
    // One that is replayed says nothing of what came since.
    #expect(inbox.receive(offset(3), failureOf: messageID(1), to: bob) == false)
    #expect(copy(7) == false)
    #expect(inbox.receive(offset(8), failureOf: messageID(1), to: bob) == true)
    #expect(copy(9, of: 2) == true)
    #expect(copy(10, of: 1) == false)
  }

  @Test func whatAnEarlierConnectionBroughtIsNotPassedOnAgain() {
    var inbox = self.connected()
    #expect(inbox.receive(offset(5)) == true)
    inbox.disconnected()
    inbox.connected(after: .zero, window: 256)
    #expect(inbox.receive(offset(5)) == false)
    #expect(inbox.receive(offset(6)) == true)
  }

  @Test func aMailboxThatBeginsAgainIsPassedOnThoughItsOffsetsAreBelowThoseSeen() {
    var inbox = self.connected()
    #expect(inbox.receive(offset(9), from: alice, id: messageID(9)) == true)
    inbox.handle(through: offset(9))
    inbox.disconnected()
    inbox.connected(after: .zero, hasGap: true, window: 256)
    // What is known by its sender and id is not told again all the same.
    #expect(inbox.receive(offset(1), from: alice, id: messageID(9)) == false)
    #expect(inbox.receive(offset(2), from: alice, id: messageID(2)) == true)
    // Nothing of it counts as handled before it is.
    #expect(inbox.nextAck(now: 0) == .none)
    inbox.handle(through: offset(2))
    #expect(inbox.nextAck(now: 0) == .write(offset(2)))
    inbox.disconnected()
    // A gap above what was seen is an ordinary one.
    inbox.connected(after: offset(2), hasGap: true, window: 256)
    #expect(inbox.receive(offset(2)) == false)
  }

  @Test func aMailboxThatLostItsEndIsPassedOnThoughItsOffsetsAreBelowThoseSeen() {
    var inbox = self.connected()
    #expect(inbox.receive(offset(9), from: alice, id: messageID(9)) == true)
    inbox.handle(through: offset(9))
    inbox.disconnected()
    inbox.connected(after: offset(5), asked: offset(9), window: 256)
    #expect(inbox.receive(offset(6), from: alice, id: messageID(6)) == true)
    #expect(inbox.nextAck(now: 0) == .none)
    inbox.handle(through: offset(6))
    #expect(inbox.nextAck(now: 0) == .write(offset(6)))
  }

  @Test func whatTheAppHandlesOfAMailboxThatWasGivenUpAcksNothingOfTheNext() {
    var inbox = self.connected()
    _ = inbox.receive(offset(200))
    inbox.disconnected()
    inbox.connected(after: offset(100), asked: offset(150), window: 256)
    #expect(inbox.receive(offset(110)) == true)
    inbox.handle(through: offset(200))
    #expect(inbox.nextAck(now: 0) == .none)
    inbox.handle(through: offset(110))
    #expect(inbox.nextAck(now: 0) == .write(offset(110)))
  }

  /// What the app is about to handle is not.
  @Test func onlyWhatTheAppHasHandledIsAskedToBeLeftOut() {
    var inbox = self.connected()
    _ = inbox.receive(offset(1))
    _ = inbox.receive(offset(2))
    #expect(inbox.handled == .zero)
    inbox.handle(through: offset(1))
    #expect(inbox.handled == offset(1))
    inbox.disconnected()
    inbox.connected(after: offset(1), asked: offset(1), window: 256)
    #expect(inbox.receive(offset(2)) == false)
    #expect(inbox.receive(offset(3)) == true)
  }

  @Test func theFirstAckIsWrittenAtOnceAndTheNextGathered() {
    var inbox = self.connected()
    for number in 1...3 { _ = inbox.receive(offset(UInt64(number))) }
    inbox.handle(through: offset(1))
    #expect(inbox.nextAck(now: 0) == .write(offset(1)))
    inbox.handle(through: offset(2))
    #expect(inbox.nextAck(now: millisecond) == .wait(until: 20 * millisecond))
    inbox.handle(through: offset(3))
    #expect(inbox.nextAck(now: 20 * millisecond) == .write(offset(3)))
    #expect(inbox.nextAck(now: 90 * millisecond) == .none)
  }

  @Test func aPartOfTheWindowIsNotKeptWaiting() {
    var inbox = self.connected(window: 8)
    for number in 1...3 { _ = inbox.receive(offset(UInt64(number))) }
    inbox.handle(through: offset(1))
    #expect(inbox.nextAck(now: 0) == .write(offset(1)))
    inbox.handle(through: offset(3), count: 2)
    #expect(inbox.nextAck(now: 1) == .write(offset(3)))
  }

  @Test func onlyWhatIsHandledIsAcked() {
    var inbox = self.connected()
    _ = inbox.receive(offset(1))
    #expect(inbox.nextAck(now: 0) == .none)
  }

  @Test func acksAreCumulativeAndNeverGoBack() {
    var inbox = self.connected()
    for number in 1...4 { _ = inbox.receive(offset(UInt64(number))) }
    inbox.handle(through: offset(4))
    inbox.handle(through: offset(2))
    #expect(inbox.nextAck(now: 0) == .write(offset(4)))
  }

  @Test func theLastAckWaitsForNothing() {
    var inbox = self.connected()
    for number in 1...2 { _ = inbox.receive(offset(UInt64(number))) }
    inbox.handle(through: offset(1))
    _ = inbox.nextAck(now: 0)
    inbox.handle(through: offset(2))
    #expect(inbox.nextAck(now: 1, isFinal: true) == .write(offset(2)))
  }

  @Test func anAckThatWasLostIsWrittenAgainWhenItsMessageComesAgain() {
    var inbox = self.connected()
    for number in 1...3 { _ = inbox.receive(offset(UInt64(number))) }
    inbox.handle(through: offset(3))
    #expect(inbox.nextAck(now: 0) == .write(offset(3)))
    inbox.disconnected()
    inbox.connected(after: offset(1), window: 256)
    // The server does not know on this connection what it has not sent on it.
    #expect(inbox.nextAck(now: 1) == .none)
    #expect(inbox.receive(offset(2)) == false)
    #expect(inbox.nextAck(now: 2) == .write(offset(2)))
    #expect(inbox.receive(offset(3)) == false)
    #expect(inbox.nextAck(now: 100 * millisecond) == .write(offset(3)))
  }

  @Test func repeatsThatFillTheWindowAreAckedWithoutTheApp() {
    var inbox = self.connected(window: 4)
    for number in 1...8 { _ = inbox.receive(offset(UInt64(number))) }
    inbox.handle(through: offset(8), count: 8)
    _ = inbox.nextAck(now: 0)
    inbox.connected(after: .zero, window: 4)
    for number in 1...8 {
      #expect(inbox.receive(offset(UInt64(number))) == false)
      #expect(inbox.nextAck(now: UInt64(number)) == .write(offset(UInt64(number))))
    }
  }

  @Test func whatNobodyIsToldOfIsAckedOnceAllBeforeItIsHandled() {
    var inbox = self.connected()
    inbox.skip(offset(1))
    #expect(inbox.nextAck(now: 0) == .write(offset(1)))
    #expect(inbox.receive(offset(2)) == true)
    inbox.skip(offset(3))
    #expect(inbox.nextAck(now: 90 * millisecond) == .none)
    inbox.handle(through: offset(2))
    #expect(inbox.nextAck(now: 90 * millisecond) == .write(offset(3)))
  }

  @Test func whatNobodyIsToldOfFreesTheWindow() {
    var inbox = self.connected(window: 4)
    for number in 1...8 {
      inbox.skip(offset(UInt64(number)))
      #expect(inbox.nextAck(now: UInt64(number)) == .write(offset(UInt64(number))))
    }
  }

  @Test func aMessageUnderASecondOffsetIsAckedAndNotPassedOn() {
    var inbox = self.connected()
    #expect(inbox.receive(offset(1), from: bob, id: messageID(1)) == true)
    #expect(inbox.receive(offset(2), from: bob, id: messageID(2)) == true)
    // An original that was executed after its repeat.
    #expect(inbox.receive(offset(3), from: bob, id: messageID(1)) == false)
    #expect(inbox.receive(offset(4), from: alice, id: messageID(1)) == true)
    inbox.handle(through: offset(2))
    #expect(inbox.nextAck(now: 0) == .write(offset(2)))
    inbox.handle(through: offset(4))
    #expect(inbox.nextAck(now: 90 * millisecond) == .write(offset(4)))
    #expect(inbox.receive(offset(5), from: bob, id: messageID(2)) == false)
    #expect(inbox.nextAck(now: 190 * millisecond) == .write(offset(5)))
  }

  @Test func aReplayOfAMessageIsNotTakenForItsRepeat() {
    var inbox = self.connected()
    #expect(inbox.receive(offset(1), from: bob, id: messageID(1)) == true)
    inbox.disconnected()
    inbox.connected(after: .zero, window: 256)
    #expect(inbox.receive(offset(1), from: bob, id: messageID(1)) == false)
    // Not handled yet, so not acked yet.
    #expect(inbox.nextAck(now: 0) == .none)
    inbox.handle(through: offset(1))
    #expect(inbox.nextAck(now: 0) == .write(offset(1)))
  }

  @Test func theLastMessagesAreRememberedAndNoMore() {
    var recent = RecentMessages(limit: 64)
    for number in 0..<1_000 {
      #expect(recent.insert(from: bob, id: messageID(number)) == true)
      #expect(recent.count <= 64)
      for known in max(0, number - 31)...number {
        #expect(recent.insert(from: bob, id: messageID(known)) == false)
      }
    }
    #expect(recent.insert(from: bob, id: messageID(0)) == true)
  }

  @Test func withoutAConnectionNothingIsAcked() {
    var inbox = self.connected()
    _ = inbox.receive(offset(1))
    inbox.disconnected()
    inbox.handle(through: offset(1))
    #expect(inbox.nextAck(now: 0) == .none)
  }
}
