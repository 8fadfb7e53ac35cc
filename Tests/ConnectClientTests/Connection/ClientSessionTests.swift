import ConnectProtocol
import TestSupport
import Testing

@testable import ConnectClient

@Suite struct ClientSessionTests {
  private let message = ServerFrame.message(
    .init(offset: offset(1), from: bob, id: messageID(1), at: 1, body: 0..<1))

  private func opened() -> ClientSessionStateMachine {
    var session = ClientSessionStateMachine()
    #expect(session.received(.welcome(welcome())) == .deliver)
    return session
  }

  @Test func theFirstFrameIsWelcome() {
    var session = ClientSessionStateMachine()
    #expect(!session.isOpen)
    #expect(session.received(.welcome(welcome())) == .deliver)
    #expect(session.isOpen)
  }

  @Test func anythingElseInFrontOfWelcomeIsAFault() {
    for frame in [self.message, .live(.zero), .accepted(id: messageID(1), offset: .zero)] {
      var session = ClientSessionStateMachine()
      guard case .fail = session.received(frame) else {
        Issue.record("\(frame) was taken before welcome")
        continue
      }
    }
  }

  @Test func aServerMayExplainItselfBeforeWelcome() {
    var session = ClientSessionStateMachine()
    #expect(session.received(.unknown(type: "news", offset: nil)) == .ignore)
    #expect(session.received(.error(code: "unavailable", message: "-")) == .deliver)
    #expect(session.received(.goodbye(code: 1012, reconnectAfterMilliseconds: 70)) == .ignore)
    #expect(session.reconnectAfterMilliseconds == 70)
  }

  @Test func aSecondWelcomeIsAFault() {
    var session = self.opened()
    #expect(session.received(.welcome(welcome())) == .fail("a second welcome"))
  }

  @Test func framesOfNewerServersAreIgnored() {
    var session = self.opened()
    #expect(session.received(.unknown(type: "news", offset: nil)) == .ignore)
    #expect(session.received(.pong(id: nil)) == .ignore)
    // But what stands in the mailbox is to be acked.
    #expect(session.received(.unknown(type: "news", offset: offset(1))) == .deliver)
  }

  @Test func goodbyeIsRememberedAndTold() {
    var session = self.opened()
    let goodbye = ServerFrame.goodbye(code: 1012, reconnectAfterMilliseconds: 300)
    #expect(session.received(goodbye) == .deliver)
    #expect(session.reconnectAfterMilliseconds == 300)
    #expect(session.isOpen)
  }

  @Test func whatTheServerSentBeforeItReadOurCloseStillCounts() {
    var session = self.opened()
    #expect(session.close() == .writeClose)
    #expect(session.received(self.message) == .deliver)
    #expect(session.received(.accepted(id: messageID(1), offset: .zero)) == .deliver)
    #expect(session.received(.welcome(welcome())) == .ignore)
  }

  @Test func twoSilentPeriodsAreDeath() {
    var session = self.opened()
    #expect(session.timerFired(isReading: true) == .wait)
    #expect(session.timerFired(isReading: true) == .wait)
    #expect(session.timerFired(isReading: true) == .abort)
    #expect(session.disconnected() == .silent)
  }

  @Test func anySignOfLifeStartsTheCountAnew() {
    var session = self.opened()
    for _ in 0..<10 {
      #expect(session.timerFired(isReading: true) == .wait)
      #expect(session.timerFired(isReading: true) == .wait)
      session.heard()
    }
  }

  @Test func whoDoesNotReadKeepsTheServerFromGivingUpAndDoesNotJudgeItsSilence() {
    var session = self.opened()
    _ = session.timerFired(isReading: true)
    _ = session.timerFired(isReading: true)
    for _ in 0..<5 { #expect(session.timerFired(isReading: false) == .pong) }
    #expect(session.timerFired(isReading: true) == .wait)
  }

  @Test func anOpeningThatTakesTooLongIsAborted() {
    var session = ClientSessionStateMachine()
    #expect(session.timerFired(isReading: true) == .abort)
    #expect(session.disconnected() == .timedOut)
  }

  @Test func aServerThatDoesNotAnswerOurCloseIsCutOff() {
    var session = self.opened()
    #expect(session.close() == .writeClose)
    #expect(session.timerFired(isReading: true) == .abort)
    #expect(session.disconnected() == .closed)
  }

  @Test func aCloseBeforeWelcomeIsAnAbort() {
    var session = ClientSessionStateMachine()
    #expect(session.close() == .abort)
    #expect(session.disconnected() == .closed)
  }

  @Test func oneCloseIsEnough() {
    var session = self.opened()
    #expect(session.close() == .writeClose)
    #expect(session.close(.violation("x")) == .none)
    #expect(session.closeReceived(1000, reason: "") == false)
    #expect(session.close() == .none)
    #expect(session.disconnected() == .closed)
  }

  @Test func theServersCloseIsAnsweredAndTold() {
    var session = self.opened()
    #expect(session.closeReceived(4002, reason: "replaced") == true)
    #expect(!session.isOpen)
    #expect(session.received(self.message) == .ignore)
    #expect(session.disconnected() == .closedByServer(.replaced, reason: "replaced"))
  }

  @Test func theServerMayCloseBeforeWelcome() {
    var session = ClientSessionStateMachine()
    #expect(session.closeReceived(nil, reason: "") == true)
    #expect(session.disconnected() == .closedByServer(nil, reason: ""))
  }

  @Test func aSocketThatJustEndsIsLost() {
    var session = self.opened()
    guard case .lost = session.disconnected() else {
      Issue.record("not lost")
      return
    }
    #expect(session.state == .closed)
  }

  @Test func theFirstReasonIsTheReason() {
    var session = self.opened()
    session.note(.violation("first"))
    session.note(.lost("second"))
    #expect(session.disconnected() == .violation("first"))
  }
}
