import ConnectProtocol
import Testing

@testable import ConnectBench

@Suite("What a device was shown")
struct ShownEntriesTests {
  @Test("is not new under a second offset, but only where a client before has shown it")
  func second() {
    let id = MessageID("1.1")!
    var shown = ShownEntries()
    func isNew(_ milliseconds: UInt64, isCopy: Bool = false) -> Bool {
      shown.isNew(id, isCopy: isCopy, at: Offset(milliseconds: milliseconds, sequence: 0))
    }
    // The client itself must recognise it.
    #expect([isNew(1), isNew(2)] == [true, true])
    shown.clientBegins()
    #expect([isNew(3), isNew(3, isCopy: true)] == [false, true])
    shown.clientBegins()
    // Under an offset that was shown it must not come again, and counts.
    #expect([isNew(3), isNew(4)] == [true, false])
  }
}
