import ConnectClient
import ConnectProtocol
import NIOCore
import Testing

@testable import ConnectBench

/// What is compared, when, and what becomes of it in the report.
@Suite("The ledger of chatters, of lists and signals")
struct ChatLedgerListTests {
  /// User 1 writes to user 0, who has a device.
  private let direction = ChatLedger.Direction(from: 1, to: 0)
  private let ledger = ChatLedger(directions: [.init(from: 1, to: 0)], devices: [1, 0])

  private func at(_ number: Int) -> Offset {
    Offset(milliseconds: UInt64(1 + number), sequence: 0)
  }

  /// The next messages are sent, and shown to the device.
  private func show(_ count: Int) {
    for _ in 0..<count {
      let id = self.ledger.next(self.direction)
      let offset = self.at(ChatTraits(id)?.place.number ?? 0)
      self.ledger.accepted(id, offset: offset)
      self.ledger.shown(id, to: 0, device: 0, offset: offset, isIntact: true, latency: nil)
    }
  }

  private func message(_ number: Int) -> MailboxEntry {
    let id = MessageID("0.\(number)")!
    return .message(
      IncomingMessage(
        offset: self.at(number), from: Chatters.name(1), id: id, at: 1,
        body: MessageBody(ByteBuffer(string: ChatBody.text(id, bytes: 50))),
        quiet: ChatTraits(id)?.isQuiet ?? false))
  }

  private func list(unread: Int, last: Int) -> LogLedger.List {
    let item = ConversationSummary(
      peer: Chatters.name(1), last: self.message(last), unread: unread)
    return .init(
      user: 0, parts: [(nil, ConversationPage(conversations: [item]))],
      known: self.ledger.newest(of: 0))
  }

  private func whole(_ numbers: some Sequence<Int>) -> LogLedger.History {
    .init(user: 0, entries: numbers.map(self.message), isTrimmed: false)
  }

  private func report(mayLose: Bool = false) -> FaultReport {
    FaultReport(
      seed: 1, seconds: 1, chatters: Chatters.Options(), ledger: self.ledger, mayLose: mayLose)
  }

  @Test("right lists and histories are counted, and are in order")
  func right() {
    self.show(3)
    self.ledger.compare([
      .init(
        user: 0, lists: [(0, self.list(unread: 3, last: 2))],
        histories: [
          (
            0,
            .init(
              user: 0, peer: 1, entries: [self.message(2)], isTrimmed: false, end: self.at(2))
          )
        ], whole: self.whole([2, 1, 0]))
    ])
    #expect(self.ledger.lists == ListTotals(compared: 3))
    #expect(self.report().keepsPromises)
  }

  @Test("a wrong list breaks a promise, as a loss does, and is described")
  func wrong() {
    self.show(3)
    self.ledger.compare([
      .init(
        user: 0, lists: [(0, self.list(unread: 2, last: 2))], whole: self.whole([2, 1, 0]))
    ])
    #expect(self.ledger.lists.wrong == 1)
    #expect(!self.report().keepsPromises)
    #expect(self.report(mayLose: true).keepsPromises)
    let incident = self.report().incidents.first
    #expect(incident?.contains("list at a pause on device 0 of user 0") == true)
    #expect(incident?.contains("2 unread, not 3 to 3") == true)
  }

  @Test("a device that has no answer breaks a promise")
  func vain() {
    self.ledger.compare([.init(user: 0, failures: ["device 0 asks in vain"])])
    #expect(self.ledger.lists.wrong == 1)
  }

  @Test("a list of an earlier moment is compared once all is known, with what was known before it")
  func meanwhile() {
    self.show(2)
    // Message 2 is in the answer, and is shown only later.
    self.ledger.keep(self.list(unread: 3, last: 2), on: 0)
    self.ledger.keep(self.list(unread: 2, last: 2), on: 0)
    #expect(self.ledger.lists == ListTotals())
    self.show(2)
    self.ledger.compare([])
    #expect(self.ledger.lists == ListTotals(compared: 2, comparedLater: 2, wrong: 1))
    self.ledger.compare([])
    #expect(self.ledger.lists.compared == 2, "each once")
  }

  @Test("what was sent before losses were excused may be missing, and nothing else")
  func excused() {
    self.show(2)
    self.ledger.excuseLosses()
    self.show(1)
    self.ledger.compare([
      .init(user: 0, lists: [(0, self.list(unread: 1, last: 2))], whole: self.whole([2]))
    ])
    #expect(self.ledger.lists.wrong == 0)
    self.ledger.compare([.init(user: 0, whole: self.whole([1, 0]))])
    #expect(self.ledger.lists.wrong == 1)
  }

  @Test("a signal that is late, repeated or astray always breaks a promise")
  func signals() {
    let id = self.ledger.nextSignal(self.direction)
    let place = ChatTraits(id)?.place
    self.ledger.told(place, from: 1, to: 0, on: 0, age: .seconds(1), isOlder: false)
    #expect(self.report().keepsPromises)
    self.ledger.told(place, from: 1, to: 0, on: 0, age: .seconds(1), isOlder: false)
    #expect(self.ledger.signals == .init(sent: 1, told: 2, again: 1))
    #expect(!self.report(mayLose: true).keepsPromises)
    #expect(self.ledger.incidents.first?.contains("again: signal 0.0") == true)
  }
}
