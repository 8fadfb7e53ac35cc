import ConnectProtocol
import MessageBus
import NIOCore
import Redis

/// Reads pages of mailboxes, and positions, for the connections of a loop, a bounded number at a time.
///
/// When a gateway dies, its clients reconnect elsewhere at once, and each reads its mailbox. Here
/// they take turns: what is in memory is never more than ``GatewayLimits/concurrentPages`` pages, a few of
/// lists and history (see ``PageTurns``), and the entries of ``GatewayLimits/looksAtRegistration``.
final class PageReader {
  struct Request {
    enum Kind {
      /// The next entries to send.
      case page(after: Offset, maximum: Int)
      /// Entries that the client has handled and whose senders were not told.
      case skipped(after: Offset, maximum: Int)
      /// What the user says to have read.
      case look(ReadQueue.Look)
      /// All rows of the user's positions.
      case rows
      /// What a list or history needs.
      case log(LogLook.Read)
    }

    let kind: Kind
    let connection: ConnectionHandler

    /// Which turn it waits for. Takes a large page from the user's budget, so to be asked once.
    fileprivate func takeTurnKind() -> PageTurns<Request>.Kind {
      guard case .log(let read) = self.kind else { return .delivery }
      guard let page = read.page, page.maximum > GatewayLimits.firstRequestPageEntries else {
        return .small
      }
      let now = NIODeadline.now().uptimeNanoseconds
      return self.connection.budget.takeLargePage(now: now) ? .large : .extra
    }

    /// Whether nobody waits for it any more.
    fileprivate var isVain: Bool {
      if case .log = self.kind { self.connection.isOver } else { false }
    }
  }

  private let client: any RedisClient
  private let eventLoop: NIOIsolatedEventLoop
  private var turns = PageTurns<Request>()
  private let requestTurn: TimeAmount
  private var isScheduled = false
  private var isWatching = false

  /// - Parameter requestTurnMilliseconds: see ``GatewayLimits/requestTurnMilliseconds``.
  init(client: any RedisClient, requestTurnMilliseconds: Int64) {
    self.client = client
    self.requestTurn = .milliseconds(requestTurnMilliseconds)
    self.eventLoop = client.eventLoop.assumeIsolated()
  }

  /// Gives the connection the page, or the reason for its absence, later.
  func request(_ request: Request) {
    self.turns.append(request, request.takeTurnKind())
    self.schedule()
  }

  private func schedule() {
    guard !self.isScheduled, self.turns.hasNext else { return }
    self.isScheduled = true
    self.eventLoop.execute {
      self.isScheduled = false
      self.submit()
    }
  }

  private func submit() {
    let began = NIODeadline.now()
    var batch = RedisBatch()
    var reads: [(request: Request, turn: PageTurns<Request>.Turn, reply: Place)] = []
    while let (request, turn) = self.turns.next(now: began) {
      guard !request.isVain else {
        if self.turns.answered(turn) { self.turns.end(turn) }
        continue
      }
      reads.append((request, turn, Self.append(request, to: &batch)))
    }
    guard !reads.isEmpty else { return }
    self.watchRequests()
    self.client.submitInParts(batch) { settled in
      for (request, turn, reply) in reads where reply.isSettled(in: settled) {
        let rests = self.turns.answered(turn)
        request.connection.arrived(request.kind, reply, settled)
        // A longer answer would have ended the turn, had the process not stood still.
        let took = min(NIODeadline.now() - began, self.requestTurn * 2)
        if rests { self.rest(turn, took: took) }
      }
      self.schedule()
    }
  }

  /// Ends the turn of a large page later.
  private func rest(_ turn: PageTurns<Request>.Turn, took: TimeAmount) {
    self.eventLoop.scheduleTask(in: turn.rest(after: took)) {
      self.turns.end(turn)
      self.schedule()
    }
  }

  /// Ends the turns that last too long. One timer for all, since most end much earlier.
  private func watchRequests() {
    guard !self.isWatching, self.turns.hasUnansweredRequest else { return }
    self.isWatching = true
    self.eventLoop.scheduleTask(in: self.requestTurn) {
      self.isWatching = false
      self.turns.endUnansweredRequests(since: .now() - self.requestTurn)
      self.schedule()
      self.watchRequests()
    }
  }

  /// The reply to a request.
  enum Place {
    case entries(Reply<[StreamEntry]>)
    case top(Reply<Offset>)
    case table(Reply<Positions.Table>)
    case log(LogPlace)

    fileprivate func isSettled(in settled: SettledReplies) -> Bool {
      switch self {
      case .entries(let reply): settled.contains(reply)
      case .top(let reply): settled.contains(reply)
      case .table(let reply): settled.contains(reply)
      case .log(let place): settled.contains(place.replies)
      }
    }
  }

  private static func append(_ request: Request, to batch: inout RedisBatch) -> Place {
    let keys = request.connection.loop.configuration.keys
    let user = request.connection.user
    switch request.kind {
    case .page(let after, let maximum), .skipped(let after, let maximum):
      return .entries(batch.entries(of: keys.mailbox(user), after: after, maximum: maximum))
    case .look(.top):
      return .top(batch.top(of: keys.mailbox(user)))
    case .look(.entries(let below, let above, let maximum)):
      return .entries(
        batch.newestEntries(
          of: keys.mailbox(user), below: below, above: above, maximum: maximum))
    case .rows:
      return .table(Positions.table(of: keys.positions(user), to: &batch))
    case .log(let read):
      return .log(LogPlace(read, of: user, keys, to: &batch))
    }
  }
}

extension ConnectionHandler {
  /// Handles the reply to a request, which may have been all that kept the connection from rest.
  fileprivate func arrived(
    _ kind: PageReader.Request.Kind, _ place: PageReader.Place, _ settled: SettledReplies
  ) {
    switch place {
    case .entries(let reply):
      let entries = Result { () throws(RedisError) in
        try settled[reply].map(Mailbox.Entry.init)
      }
      switch kind {
      case .skipped: self.skippedArrived(entries)
      case .look: self.lookArrived(entries)
      case .page, .rows, .log: self.pageArrived(entries)
      }
    case .top(let reply):
      self.topArrived(Result { () throws(RedisError) in try settled[reply] })
    case .table(let reply):
      self.rowsArrived(Result { () throws(RedisError) in try settled[reply] })
    case .log(let place):
      self.logArrived(Result { () throws(RedisError) in try place.reply(in: settled) })
    }
    self.restIfIdle()
  }
}
