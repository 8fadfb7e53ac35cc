import ConnectProtocol
import NIOCore
import SeededRandom
import Testing

@testable import ConnectBench

@Suite("Sends that wait for no answer")
struct OpenLoopSendsTests {
  private var sends = OpenLoopSends()

  private static func id(_ number: Int) -> MessageID { MessageID("\(number)")! }

  private static func number(_ message: OpenLoopSends.Message) -> Int { Int(message.id.text)! }

  private mutating func append(_ numbers: ClosedRange<Int>) {
    for number in numbers { self.sends.append(Self.id(number), body: ByteBuffer()) }
  }

  /// All that goes out at a time: the numbers, negative where it is said to be a repeat.
  private mutating func sent(now: UInt64 = 0) -> [Int] {
    var numbers: [Int] = []
    while let message = self.sends.next(now: now) {
      numbers.append(message.mayBeTaken ? -Self.number(message) : Self.number(message))
    }
    return numbers
  }

  private mutating func reject(_ numbers: Int..., until: UInt64, mayBeTaken: Bool = true) {
    for number in numbers {
      let isKnown = self.sends.rejected(
        Self.id(number), wait: until, now: 0, mayBeTaken: mayBeTaken)
      #expect(isKnown)
    }
  }

  @Test("go out at once, whatever is unanswered")
  mutating func openLoop() {
    self.append(1...3)
    #expect(self.sent() == [1, 2, 3])
    self.append(4...4)
    #expect(self.sent() == [4])
    #expect(self.sends.unanswered == 4)
    let isKnown = self.sends.settled(Self.id(2))
    #expect(isKnown && self.sends.unanswered == 3)
    let isKnownStill = self.sends.settled(Self.id(2))
    #expect(!isKnownStill)
  }

  @Test("are sent again in their old order when their time has come, before anything new")
  mutating func rejected() {
    self.append(1...4)
    _ = self.sent()
    self.reject(3, until: 30)
    self.reject(2, until: 40)
    self.append(5...6)
    #expect(self.sent(now: 39) == [], "what is behind another waits with it")
    #expect(self.sent(now: 40) == [-2, -3, 5, 6], "1 and 4 are on their way")
  }

  @Test(
    "are late if they go again when the server may have given up their places, but for a reconnect")
  mutating func late() throws {
    let kept = UInt64(FaultLimits.placesKept / .nanoseconds(1))
    for (read, next, isLate) in [(30, 40 + kept, false), (31 + kept, 41 + kept, true)] {
      self.sends = OpenLoopSends()
      self.append(1...1)
      _ = self.sent(now: 10)
      let isKnown = self.sends.rejected(Self.id(1), wait: 30, now: read, mayBeTaken: true)
      #expect(isKnown)
      let early = self.sends.next(now: read + 29)
      #expect(early == nil)
      let message = self.sends.next(now: max(next, read + 30))
      #expect(message?.isLate == isLate)
    }
    let isKnown = self.sends.rejected(Self.id(1), wait: 30, now: 100 + kept, mayBeTaken: true)
    #expect(isKnown)
    self.sends.disconnected()
    let message = self.sends.next(now: 1_000 * kept)
    #expect(message?.isLate == false)
  }

  @Test("say retry only if they may have been taken, but then for ever")
  mutating func retry() {
    self.append(1...2)
    _ = self.sent()
    self.reject(1, until: 0, mayBeTaken: false)
    self.reject(2, until: 0)
    #expect(self.sent() == [1, -2])
    self.reject(2, until: 0, mayBeTaken: false)
    #expect(self.sent() == [-2])
  }

  @Test("are all sent again at once on the next connection, and what was under way as repeats")
  mutating func reconnected() {
    self.append(1...3)
    _ = self.sent()
    self.reject(1, until: 1_000, mayBeTaken: false)
    let isKnown = self.sends.settled(Self.id(2))
    #expect(isKnown)
    self.append(4...4)
    self.sends.disconnected()
    #expect(self.sent() == [1, -3, 4])
  }

  @Test(
    "come in order to a server that takes prefixes, whatever it rejects and however often",
    arguments: 1...20)
  mutating func prefixes(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    var taken: [Int] = []
    var written: [Int] = []
    var now: UInt64 = 0
    var count = 0
    while taken.count < 500 {
      now += 1
      if count < 500 {
        count += 1
        self.append(count...count)
      }
      written += self.sent(now: now).map(abs)
      if Int.random(in: 0..<50, using: &random) == 0 {
        self.sends.disconnected()
        written = []
      }
      // Of all that it has read, the server takes some from the front, and rejects the rest.
      guard Int.random(in: 0..<5, using: &random) == 0 else { continue }
      let prefix = Int.random(in: 0...written.count, using: &random)
      for (index, number) in written.enumerated() {
        if index < prefix {
          let isKnown = self.sends.settled(Self.id(number))
          #expect(isKnown)
          taken.append(number)
        } else {
          self.reject(number, until: now + .random(in: 0...20, using: &random))
        }
      }
      written = []
    }
    #expect(taken == Array(1...500))
    #expect(self.sends.unanswered == 0)
  }
}
