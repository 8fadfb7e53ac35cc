import ConnectProtocol
import Testing

@testable import Gateway

@Suite("A session")
struct SessionStateMachineTests {
  typealias Machine = SessionStateMachine

  static let opening: @Sendable () -> Machine = { Machine() }
  static let open: @Sendable () -> Machine = {
    var machine = Machine()
    _ = machine.opened()
    return machine
  }
  static let closing: @Sendable () -> Machine = {
    var machine = Self.open()
    _ = machine.close()
    return machine
  }
  static let closed: @Sendable () -> Machine = {
    var machine = Self.open()
    machine.disconnected()
    return machine
  }

  @Test("opens once, and not after it has begun to close")
  func opened() {
    var machine = Self.opening()
    #expect(!machine.isOpen)
    let first = machine.opened()
    #expect(first)
    #expect(machine.isOpen)
    for make in [Self.open, Self.closing, Self.closed] {
      var machine = make()
      let before = machine.state
      let again = machine.opened()
      #expect(!again)
      #expect(machine.state == before)
    }
  }

  @Test("sends one close, from wherever it is")
  func close() {
    for make in [Self.opening, Self.open] {
      var machine = make()
      let sends = machine.close()
      #expect(sends)
      #expect(machine.state == .closing)
      #expect(!machine.isOpen)
    }
    for make in [Self.closing, Self.closed] {
      var machine = make()
      let before = machine.state
      let sends = machine.close()
      #expect(!sends)
      #expect(machine.state == before)
    }
  }

  @Test("answers the client's close, unless that is the answer to its own")
  func closeReceived() {
    for (make, answers) in [
      (Self.opening, true), (Self.open, true), (Self.closing, false), (Self.closed, false),
    ] {
      var machine = make()
      let does = machine.closeReceived()
      #expect(does == answers)
      #expect(machine.state == .closed)
    }
  }

  @Test("is over when the socket is gone")
  func disconnected() {
    for make in [Self.opening, Self.open, Self.closing, Self.closed] {
      var machine = make()
      machine.disconnected()
      #expect(machine.state == .closed)
    }
  }

  @Test("pings in each period, and closes with 4003 when two have passed in silence")
  func silence() {
    var machine = Self.open()
    #expect(machine.periodPassed(tokenHasExpired: false) == .ping)
    #expect(machine.periodPassed(tokenHasExpired: false) == .ping)
    #expect(machine.periodPassed(tokenHasExpired: false) == .close(.noPong))
  }

  @Test("stays open for as long as anything comes in every second period")
  func heard() {
    var machine = Self.open()
    for _ in 0..<10 {
      #expect(machine.periodPassed(tokenHasExpired: false) == .ping)
      #expect(machine.periodPassed(tokenHasExpired: false) == .ping)
      machine.heard()
    }
  }

  @Test("closes with 4001 when the token has expired, silent or not")
  func expired() {
    var machine = Self.open()
    #expect(machine.periodPassed(tokenHasExpired: true) == .close(.tokenExpired))
    _ = machine.periodPassed(tokenHasExpired: false)
    _ = machine.periodPassed(tokenHasExpired: false)
    #expect(machine.periodPassed(tokenHasExpired: true) == .close(.tokenExpired))
  }

  @Test("does nothing by the clock unless it is open", arguments: [true, false])
  func notOpen(tokenHasExpired: Bool) {
    for make in [Self.opening, Self.closing, Self.closed] {
      var machine = make()
      for _ in 0..<4 {
        #expect(machine.periodPassed(tokenHasExpired: tokenHasExpired) == .none)
      }
    }
  }

  @Test("bears so many bad frames and no more")
  func badFrames() {
    var machine = Self.open()
    for _ in 0..<GatewayLimits.badFrames {
      let isTooMany = machine.badFrame()
      #expect(!isTooMany)
    }
    let isTooMany = machine.badFrame()
    #expect(isTooMany)
  }

  @Test("leaves when it is open, and closes when the last answer is there")
  func leaving() {
    var machine = Self.open()
    machine.sendPublished()
    machine.sendPublished()
    let first = machine.sendAnswered()
    #expect(!first, "it does not leave yet")
    let action = machine.leave()
    #expect(action == .goodbyeAndWait)
    #expect(machine.isOpen, "what the client says is still served")
    #expect(!machine.takesMessages)
    let again = machine.leave()
    #expect(again == .none)
    let last = machine.sendAnswered()
    #expect(last)
    let sends = machine.close()
    #expect(sends)
    #expect(machine.state == .closing)
  }

  @Test("leaves at once when no answer is due, and not at all when it is not open")
  func leavingAtOnce() {
    var machine = Self.open()
    let action = machine.leave()
    #expect(action == .goodbyeAndClose)
    for make in [Self.opening, Self.closing, Self.closed] {
      var machine = make()
      let before = machine.state
      let action = machine.leave()
      #expect(action == .none)
      #expect(machine.state == before)
    }
  }

  @Test("forgives frames without sense after a ping period")
  func badFramesDecay() {
    var machine = Self.open()
    for _ in 0..<5 {
      for _ in 0..<GatewayLimits.badFrames {
        let isTooMany = machine.badFrame()
        #expect(!isTooMany)
      }
      machine.heard()
      let action = machine.periodPassed(tokenHasExpired: false)
      #expect(action == .ping)
    }
  }
}
