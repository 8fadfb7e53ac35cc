import ConnectProtocol
import SeededRandom
import Testing

@testable import ConnectClient

@Suite struct ReconnectTests {
  private func after(
    _ end: ConnectionEnd, lived: Int64? = nil, asked: Int? = nil,
    machine: inout ReconnectStateMachine
  ) -> ReconnectStateMachine.Action {
    var random = Greatest()
    _ = machine.connect()
    return machine.ended(
      EndedConnection(end: end, welcomedMilliseconds: lived, reconnectAfterMilliseconds: asked),
      using: &random)
  }

  private func after(
    _ end: ConnectionEnd, lived: Int64? = nil, asked: Int? = nil, likesNormal: Bool = true
  ) -> ReconnectStateMachine.Action {
    var machine = ReconnectStateMachine(reconnectsAfterNormalClose: likesNormal)
    return self.after(end, lived: lived, asked: asked, machine: &machine)
  }

  private func closed(_ code: CloseCode?) -> ConnectionEnd { .closedByServer(code, reason: "") }

  @Test(arguments: [CloseCode.goingAway, .noPong, .tokenExpired, nil])
  func mostClosesAreFollowedByAQuickReturn(code: CloseCode?) {
    #expect(self.after(self.closed(code)) == .wait(milliseconds: 500))
  }

  @Test(arguments: [CloseCode.internalError, .tryAgainLater, CloseCode(rawValue: 4999)])
  func aServerInTroubleIsGivenMoreTime(code: CloseCode) {
    #expect(self.after(self.closed(code)) == .wait(milliseconds: 1_000))
  }

  @Test(arguments: [
    CloseCode.protocolError, .unsupportedData, .invalidPayload, .messageTooBig, .replaced,
  ])
  func someClosesAreFinal(code: CloseCode) {
    #expect(self.after(self.closed(code)) == .stop)
  }

  @Test func afterPolicyThereIsAPauseFirst() {
    #expect(
      self.after(self.closed(.policyViolation))
        == .wait(milliseconds: ConnectClientLimits.policyPauseMilliseconds + 1_000))
  }

  @Test func aRestartSaysWhenToComeBack() {
    #expect(self.after(self.closed(.restart), asked: 730) == .wait(milliseconds: 730))
    #expect(self.after(self.closed(.goingAway), asked: 0) == .wait(milliseconds: 0))
    #expect(self.after(self.closed(.restart)) == .wait(milliseconds: 500))
    #expect(self.after(.lost("x"), asked: 730) == .wait(milliseconds: 730))
  }

  @Test func noServerCanSendAClientAwayForEver() {
    let longest = ConnectClientLimits.askedWaitMilliseconds
    #expect(self.after(self.closed(.restart), asked: .max) == .wait(milliseconds: longest))
    #expect(self.after(self.closed(.restart), asked: -5) == .wait(milliseconds: 0))
  }

  @Test func aNormalCloseIsAsTheAppLikes() {
    #expect(self.after(self.closed(.normal)) == .wait(milliseconds: 500))
    #expect(self.after(self.closed(.normal), likesNormal: false) == .stop)
  }

  @Test(arguments: [
    ConnectionEnd.lost("x"), .silent, .unreachable("x"), .timedOut, .insecure("x"), .noToken("x"),
    .violation("x"),
  ])
  func whatMayPassIsTriedAgain(end: ConnectionEnd) {
    #expect(self.after(end) == .wait(milliseconds: 500))
  }

  @Test(arguments: [ConnectionEnd.closed, .invalidToken, .noTransportSecurity, .notConnect("x")])
  func whatWillNotPassIsNot(end: ConnectionEnd) {
    #expect(self.after(end) == .stop)
  }

  @Test(arguments: [400, 403, 404, 426])
  func arefusalOfTheRequestIsFinal(status: Int) {
    #expect(self.after(.refused(UpgradeRefusal(status: status))) == .stop)
  }

  @Test(arguments: [408, 429, 500, 502, 503, 504, 302, 200])
  func aRefusalOfTheMomentIsNot(status: Int) {
    #expect(self.after(.refused(UpgradeRefusal(status: status))) == .wait(milliseconds: 500))
  }

  @Test func retryAfterIsWaitedForAndSpread() {
    let refusal = UpgradeRefusal(status: 503, retryAfterSeconds: 7)
    #expect(self.after(.refused(refusal)) == .wait(milliseconds: 7_500))
  }

  @Test func aSecondTokenThatIsRefusedIsTheLast() {
    var machine = ReconnectStateMachine(reconnectsAfterNormalClose: true)
    let refused = ConnectionEnd.refused(UpgradeRefusal(status: 401))
    #expect(self.after(refused, machine: &machine) == .wait(milliseconds: 500))
    #expect(self.after(refused, machine: &machine) == .stop)
    #expect(machine.connect() == false)
  }

  @Test func aTokenThatWasGoodOnceStartsTheCountAnew() {
    var machine = ReconnectStateMachine(reconnectsAfterNormalClose: true)
    let refused = ConnectionEnd.refused(UpgradeRefusal(status: 401))
    for _ in 0..<5 {
      #expect(self.after(refused, machine: &machine) != .stop)
      #expect(self.after(self.closed(.tokenExpired), lived: 60_000, machine: &machine) != .stop)
    }
  }

  @Test func theBoundDoublesUpToItsCap() {
    var machine = ReconnectStateMachine(reconnectsAfterNormalClose: true)
    let waits = (0..<10).map { _ in self.after(.lost("x"), machine: &machine) }
    #expect(
      waits
        == [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000, 15_000, 15_000]
        .map { .wait(milliseconds: $0) })
    #expect(machine.failures == 10)
  }

  @Test func theJitterIsFull() {
    var random = SplitMix64(seed: 1)
    var waits: Set<Int64> = []
    for _ in 0..<200 {
      var backoff = Backoff()
      let wait = backoff.next(using: &random)
      #expect((0...500).contains(wait))
      waits.insert(wait / 100)
    }
    #expect(waits.isSuperset(of: [0, 1, 2, 3, 4]))
  }

  @Test func onlyAConnectionThatLastedEndsASeriesOfFailures() {
    var machine = ReconnectStateMachine(reconnectsAfterNormalClose: true)
    for _ in 0..<4 { _ = self.after(.lost("x"), lived: 10, machine: &machine) }
    #expect(self.after(.lost("x"), lived: 10, machine: &machine) == .wait(milliseconds: 8_000))
    #expect(
      self.after(.lost("x"), lived: ConnectClientLimits.stableMilliseconds, machine: &machine)
        == .wait(milliseconds: 500))
  }

  @Test func aStoppedClientStays() {
    var machine = ReconnectStateMachine(reconnectsAfterNormalClose: true)
    #expect(machine.connect() == true)
    #expect(machine.connect() == false)
    machine.stop()
    #expect(self.after(.lost("x"), machine: &machine) == .stop)
    #expect(machine.connect() == false)
  }
}
