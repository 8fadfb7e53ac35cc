import ConnectProtocol
import SeededRandom
import Testing

@testable import Messaging

@Suite("What is remembered of mailboxes")
struct LastWritesTests {
  private func user(_ number: Int) -> UserName { UserName("u\(number)")! }

  private func mailbox(_ number: Int) -> KnownMailbox { KnownMailbox(length: number) }

  @Test("is bounded, and holds at least the newest half", arguments: [2, 3, 10, 100])
  func bound(capacity: Int) {
    var writes = LastWrites(capacity: capacity)
    for number in 0..<10 * capacity {
      writes.insert(self.mailbox(number), of: self.user(number))
      let remembered = (0...number).filter { writes[self.user($0)] != nil }
      #expect(remembered.count <= capacity)
      for recent in max(0, number - capacity / 2 + 1)...number {
        #expect(writes[self.user(recent)] == self.mailbox(recent))
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
      writes.insert(self.mailbox(number), of: self.user(user))
      model[user] = number
      for other in 0..<12 {
        if let mailbox = writes[self.user(other)], mailbox.length != model[other] {
          Issue.record("u\(other) is remembered at \(mailbox.length)")
        }
      }
    }
  }

  @Test("outlasts others as long as it is written")
  func used() {
    var writes = LastWrites(capacity: 10)
    for number in 0..<1_000 {
      writes.insert(self.mailbox(number), of: self.user(-1))
      writes.insert(self.mailbox(number), of: self.user(number))
      #expect(writes[self.user(-1)] == self.mailbox(number))
    }
  }
}
