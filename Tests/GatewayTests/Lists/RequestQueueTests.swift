import ConnectProtocol
import Testing

@testable import Gateway

@Suite("Requests of a connection are served")
struct RequestQueueTests {
  private func history(_ id: String) -> RequestQueue.Request {
    .history(ClientFrame.History(id: MessageID(id)!))
  }

  private func next(_ queue: inout RequestQueue) -> LogLook.Read? {
    queue.next(owner: ListedLog.owner, frameBytes: 65_536)
  }

  @Test("one by one, in their order")
  func order() {
    var queue = RequestQueue()
    queue.append(self.history("a"))
    queue.append(.conversations(ClientFrame.Conversations(id: MessageID("b")!)))
    #expect(self.next(&queue) == LogLook.Read(page: LogLook.Page(below: nil, maximum: 16)))
    #expect(self.next(&queue) == nil, "one at a time")
    #expect(queue.count == 2)
    #expect(
      queue.arrived(LogLook.Reply())
        == .answer(.history(MessageID("a")!, HistoryLook.Answer())))
    #expect(queue.count == 1)
    #expect(self.next(&queue)?.hasTable == true)
    #expect(
      queue.arrived(LogLook.Reply())
        == .answer(.conversations(MessageID("b")!, ConversationFold.Answer())))
    #expect(self.next(&queue) == nil)
    #expect(queue.count == 0)
  }

  @Test("until the mailbox cannot be read: that one is refused, and the next is served")
  func failure() {
    var queue = RequestQueue()
    #expect(queue.failed() == nil)
    for id in ["a", "b"] { queue.append(self.history(id)) }
    #expect(queue.failed() == nil, "nothing was asked for")
    _ = self.next(&queue)
    #expect(queue.failed() == self.history("a"))
    #expect(self.next(&queue) != nil)
  }

  @Test("until the connection ends: all are refused, and what comes for them is ignored")
  func end() {
    var queue = RequestQueue()
    for id in ["a", "b"] { queue.append(self.history(id)) }
    _ = self.next(&queue)
    #expect(Array(queue.end()) == [self.history("a"), self.history("b")])
    #expect(queue.count == 0)
    #expect(queue.arrived(LogLook.Reply()) == nil)
    #expect(queue.failed() == nil)
  }
}
