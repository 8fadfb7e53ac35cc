import ConnectProtocol
import DequeModule
import MessageBus
import NIOCore
import Redis

/// Reads pages of mailboxes for the connections of a loop, a bounded number at a time.
///
/// When a gateway dies, its clients reconnect elsewhere at once, and each reads its mailbox. Here
/// they take turns: what is in memory is never more than ``GatewayLimits/concurrentPages`` pages.
final class PageReader {
  struct Request {
    let mailbox: RedisKey
    let after: Offset
    let maximum: Int
    let connection: ConnectionHandler
  }

  private let client: any RedisClient
  private let eventLoop: NIOIsolatedEventLoop
  private var waiting = Deque<Request>()
  private var underWay = 0
  private var isScheduled = false

  init(client: any RedisClient) {
    self.client = client
    self.eventLoop = client.eventLoop.assumeIsolated()
  }

  /// Gives the connection the page, or the reason for its absence, later.
  func request(_ request: Request) {
    self.waiting.append(request)
    self.schedule()
  }

  private func schedule() {
    guard !self.isScheduled, self.underWay < GatewayLimits.concurrentPages, !self.waiting.isEmpty
    else { return }
    self.isScheduled = true
    self.eventLoop.execute {
      self.isScheduled = false
      self.submit()
    }
  }

  private func submit() {
    var batch = RedisBatch()
    var pages: [(request: Request, entries: Reply<[StreamEntry]>)] = []
    while self.underWay < GatewayLimits.concurrentPages, let request = self.waiting.popFirst() {
      let entries = batch.entries(
        of: request.mailbox, after: request.after, maximum: request.maximum)
      pages.append((request, entries))
      self.underWay += 1
    }
    self.client.submitInParts(batch) { settled in
      self.underWay -= settled.count
      for page in pages where settled.contains(page.entries) {
        page.request.connection.pageArrived(
          Result { () throws(RedisError) in
            try settled[page.entries].map(Mailbox.Entry.init)
          })
      }
      self.schedule()
    }
  }
}
