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
    while case .write(let read) = self.reads.next(now: 0) { ids.insert(read.id?.text ?? "") }
    return ids
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
  }
}
