import ConnectProtocol
import Testing

@testable import ConnectClient

@Suite("Typing")
struct TypingTests {
  private var typing = TypingStateMachine()
  private static let second: UInt64 = 1_000_000_000

  @Test("is told each peer every four seconds, and after a message or a new connection at once")
  mutating func own() {
    #expect(self.typing.typed(to: bob, now: 0) == true)
    #expect(self.typing.typed(to: bob, now: 4 * Self.second - 1) == false)
    #expect(self.typing.typed(to: alice, now: 1) == true)
    #expect(self.typing.typed(to: bob, now: 4 * Self.second) == true)
    #expect(self.typing.typed(to: bob, now: 5 * Self.second) == false)
    self.typing.sent(to: bob)
    #expect(self.typing.typed(to: bob, now: 5 * Self.second) == true)
    self.typing.connected()
    #expect(self.typing.typed(to: bob, now: 5 * Self.second) == true)
  }

  @Test("of a peer begins once, and ends six seconds after its last signal")
  mutating func peers() {
    #expect(self.typing.received(from: bob, at: 1, now: 0) == true)
    #expect(self.typing.received(from: bob, at: 2, now: 4 * Self.second) == false)
    #expect(self.typing.nextExpiry == 10 * Self.second)
    #expect(self.typing.expire(now: 10 * Self.second - 1) == [])
    #expect(self.typing.expire(now: 10 * Self.second) == [bob])
    #expect(self.typing.nextExpiry == nil)
    #expect(self.typing.received(from: bob, at: 3, now: 11 * Self.second) == true)
  }

  @Test("of a peer ends with its message, and a signal from before that does not begin it")
  mutating func message() {
    #expect(self.typing.received(from: bob, at: 1, now: 0) == true)
    #expect(self.typing.message(from: alice, at: 2) == false)
    #expect(self.typing.message(from: bob, at: 5) == true)
    #expect(self.typing.message(from: bob, at: 6) == false)
    #expect(self.typing.received(from: bob, at: 6, now: 0) == false)
    #expect(self.typing.received(from: bob, at: 7, now: 0) == true)
  }

  @Test("goes on when a message from before it is replayed")
  mutating func replay() {
    #expect(self.typing.received(from: bob, at: 5, now: 0) == true)
    #expect(self.typing.message(from: bob, at: 4) == false)
    #expect(self.typing.nextExpiry != nil)
    #expect(self.typing.message(from: bob, at: 5) == true)
    #expect(self.typing.message(from: bob, at: 3) == false)
    #expect(self.typing.received(from: bob, at: 5, now: 0) == false)
  }

  @Test("does not begin by a late signal, whoever else has written since; of the latest so many")
  mutating func remembered() {
    #expect(self.typing.message(from: bob, at: 5) == false)
    let limit = ConnectClientLimits.typingPeers
    for number in 1..<limit {
      #expect(self.typing.message(from: UserName("u\(number)")!, at: 6) == false)
    }
    #expect(self.typing.received(from: bob, at: 4, now: 0) == false)
    #expect(self.typing.message(from: alice, at: 3) == false)
    #expect(self.typing.received(from: bob, at: 4, now: 0) == false)
    #expect(self.typing.message(from: alice, at: 7) == false)
    #expect(self.typing.received(from: alice, at: 7, now: 0) == false)
    #expect(self.typing.received(from: bob, at: 4, now: 0) == true)
  }

  @Test("is followed of so many at one time")
  mutating func bound() {
    let limit = ConnectClientLimits.typingPeers
    for number in 0..<limit {
      #expect(self.typing.received(from: UserName("u\(number)")!, at: 1, now: 0) == true)
      #expect(self.typing.typed(to: UserName("u\(number)")!, now: 0) == true)
    }
    #expect(self.typing.received(from: bob, at: 1, now: 0) == false)
    #expect(self.typing.typed(to: bob, now: 0) == false)
    #expect(self.typing.typed(to: bob, now: 4 * Self.second) == true)
  }
}

@Suite("Signals")
struct SignalsTests {
  private var signals = SignalsStateMachine()
  private static let second: UInt64 = 1_000_000_000

  private mutating func said(now: UInt64 = 0) -> [String] {
    var names: [String] = []
    while case (.write(let signal), _) = self.signals.next(id: messageID(names.count), now: now) {
      names.append(signal.name.text)
    }
    return names
  }

  private mutating func append(_ numbers: Range<Int>) {
    for number in numbers {
      self.signals.append(OutgoingSignal(to: bob, name: messageID(number)), now: 0)
    }
  }

  @Test("are dropped without a connection, and when it ends")
  mutating func offline() {
    self.append(0..<1)
    self.signals.connected(signalsPerSecond: 0)
    #expect(self.said() == [])
    self.append(1..<2)
    self.signals.disconnected()
    self.signals.connected(signalsPerSecond: 0)
    #expect(self.said() == [])
    self.append(2..<3)
    #expect(self.said() == ["m2"])
  }

  @Test("keep to the pace; beyond the bound the oldest are dropped, and all that got too old")
  mutating func pace() {
    self.signals.connected(signalsPerSecond: 5)
    let limit = ConnectClientLimits.waitingSignals
    self.append(0..<limit + 1)
    #expect(self.said() == (1...10).map { "m\($0)" })
    #expect(self.said(now: Self.second / 5) == ["m11"])
    #expect(self.said(now: 6 * Self.second) == [])
  }

  @Test("wait after a refusal, and are not said again")
  mutating func refused() {
    self.signals.connected(signalsPerSecond: 0)
    self.append(0..<1)
    #expect(self.said() == ["m0"])
    #expect(self.signals.rejected(messageID(9), until: 5) == false)
    #expect(self.signals.rejected(messageID(0), until: 5) == true)
    self.append(1..<2)
    #expect(self.said() == [])
    #expect(self.said(now: 5) == ["m1"])
  }
}
