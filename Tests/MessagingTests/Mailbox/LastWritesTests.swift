import BusTestSupport
import ConnectProtocol
import SeededRandom
import TestSupport
import Testing

@testable import MessageBus
@testable import Messaging

@Suite("What is remembered of mailboxes")
struct LastWritesTests {
  private func user(_ number: Int) -> UserName { UserName("u\(number)")! }

  private func entry(_ number: Int) -> LastWrites.Entry {
    LastWrites.Entry(offset: offset(UInt64(number)), length: number)
  }

  @Test("is bounded, and holds at least the newest half", arguments: [2, 3, 10, 100])
  func bound(capacity: Int) {
    var writes = LastWrites(capacity: capacity)
    for number in 0..<10 * capacity {
      writes[self.user(number)] = self.entry(number)
      let remembered = (0...number).filter { writes[self.user($0)] != nil }
      #expect(remembered.count <= capacity)
      for recent in max(0, number - capacity / 2 + 1)...number {
        #expect(writes[self.user(recent)] == self.entry(recent))
      }
    }
  }

  @Test("is always the last that was written, never an older one")
  func newest() {
    var writes = LastWrites(capacity: 6)
    var generator = SplitMix64(seed: 9)
    var model: [Int: Int] = [:]
    for number in 0..<5_000 {
      let user = Int.random(in: 0..<12, using: &generator)
      if number % 7 == 0 {
        writes.forget(self.user(user))
        model[user] = nil
      } else {
        writes[self.user(user)] = self.entry(number)
        model[user] = number
      }
      for other in 0..<12 {
        if let entry = writes[self.user(other)], entry.length != model[other] {
          Issue.record("u\(other) is remembered at \(entry.length)")
        }
      }
    }
  }

  @Test("outlasts others as long as it is written")
  func used() {
    var writes = LastWrites(capacity: 10)
    for number in 0..<1_000 {
      writes[self.user(-1)] = self.entry(number)
      writes[self.user(number)] = self.entry(number)
      #expect(writes[self.user(-1)] == self.entry(number))
    }
  }

  @Test("is forgotten in both generations")
  func forgotten() {
    var writes = LastWrites(capacity: 4)
    writes[self.user(0)] = self.entry(0)
    writes[self.user(1)] = self.entry(1)
    writes[self.user(2)] = self.entry(2)
    writes[self.user(0)] = self.entry(3)
    writes.forget(self.user(0))
    #expect(writes[self.user(0)] == nil)
    writes[self.user(1)] = nil
    #expect(writes[self.user(1)] == nil)
  }
}
