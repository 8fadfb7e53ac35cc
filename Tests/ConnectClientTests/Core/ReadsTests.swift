import ConnectProtocol
import Testing

@testable import ConnectClient

@Suite("What is read and not confirmed")
struct ReadsTests {
  private var reads = ReadsStateMachine()

  init() { self.reads.connected() }

  private func read(_ number: UInt64, isPrivate: Bool, _ id: String) -> ClientFrame.Read {
    ClientFrame.Read(
      peer: UserName("bob")!, offset: Offset(milliseconds: number, sequence: 0),
      isPrivate: isPrivate, id: MessageID(id)!)
  }

  private mutating func said() -> Set<String> {
    var ids: Set<String> = []
    while case .write(let read) = self.next() { ids.insert(read.id?.text ?? "") }
    return ids
  }

  /// At an even pace of no limit.
  private mutating func next(now: UInt64 = 0) -> ReadsStateMachine.Next {
    self.reads.next(now: now) { nil }
  }

  @Test("a private read stands for no public one, nor the other way round, however far either goes")
  mutating func apart() {
    self.reads.read(self.read(1, isPrivate: false, "public"))
    self.reads.read(self.read(2, isPrivate: true, "private"))
    #expect(self.said() == ["public", "private"])
    self.reads.settled(MessageID("private")!)
    self.reads.connected()
    #expect(self.said() == ["public"])
    self.reads.settled(MessageID("public")!)
    self.reads.connected()
    #expect(self.said() == [])
  }

  @Test("of those that are told the peer the furthest waits")
  mutating func furthest() {
    self.reads.read(self.read(2, isPrivate: false, "second"))
    self.reads.read(self.read(1, isPrivate: false, "first"))
    #expect(self.said() == ["second"])
    self.reads.read(self.read(3, isPrivate: false, "third"))
    #expect(self.said() == ["third"])
    // The answer to the second does not stand for it.
    self.reads.settled(MessageID("second")!)
    self.reads.connected()
    #expect(self.said() == ["third"])
  }

  @Test("is said once per connection, and not without one")
  mutating func perConnection() {
    self.reads.read(self.read(1, isPrivate: false, "a"))
    #expect(self.said() == ["a"])
    #expect(self.said() == [])
    self.reads.disconnected()
    self.reads.read(self.read(2, isPrivate: true, "b"))
    #expect(self.said() == [])
    self.reads.connected()
    #expect(self.said() == ["a", "b"])
  }

  @Test("is gone with its answer, and no other")
  mutating func settled() {
    self.reads.read(self.read(1, isPrivate: false, "a"))
    #expect(self.said() == ["a"])
    self.reads.settled(MessageID("other")!)
    #expect(self.reads.contains(MessageID("a")!))
    self.reads.settled(MessageID("a")!)
    #expect(!self.reads.contains(MessageID("a")!))
    self.reads.connected()
    #expect(self.said() == [])
    // What is less far now is nobody's business but the server's.
    self.reads.read(self.read(1, isPrivate: false, "again"))
    #expect(self.said() == ["again"])
  }

  @Test("waits as long as the server asks, and on the next connection no longer")
  mutating func rejected() {
    self.reads.read(self.read(1, isPrivate: false, "a"))
    #expect(self.reads.rejected(MessageID("a")!, until: 50) == true)
    #expect(self.reads.rejected(MessageID("other")!, until: 90) == false)
    #expect(self.next(now: 49) == .wait(until: 50))
    #expect(self.next(now: 50) == .write(self.read(1, isPrivate: false, "a")))
    #expect(self.reads.rejected(MessageID("a")!, until: 500) == true)
    self.reads.connected()
    #expect(self.said() == ["a"])
  }

  @Test("goes at the pace of the messages, and takes a turn only where something is due")
  mutating func paced() {
    var pacer = SendPacer(perSecond: 100)
    var turns = 0
    func next(_ reads: inout ReadsStateMachine, at now: UInt64) -> ReadsStateMachine.Next {
      reads.next(now: now) {
        turns += 1
        return pacer.take(now: now)
      }
    }
    #expect(next(&self.reads, at: 1_000_000_000) == .none)
    #expect(turns == 0)
    for number in 0..<80 {
      self.reads.read(
        ClientFrame.Read(
          peer: UserName("peer\(number)")!, offset: Offset(milliseconds: 1, sequence: 0),
          isPrivate: false, id: MessageID("r\(number)")!))
    }
    var said = 0
    while case .write = next(&self.reads, at: 1_000_000_000) { said += 1 }
    #expect(said == 50)
    guard case .wait(let until) = next(&self.reads, at: 1_000_000_000) else {
      Issue.record("no wait")
      return
    }
    #expect(until > 1_000_000_000)
    while case .write = next(&self.reads, at: 1_200_000_000) { said += 1 }
    #expect(said == 70)
  }
}
