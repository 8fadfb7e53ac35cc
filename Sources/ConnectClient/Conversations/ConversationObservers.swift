import ConnectProtocol

/// Who observes what. Each observer gets the newest state, and may be as slow as it likes.
struct ConversationObservers: Sendable {
  typealias ID = UInt64

  private var nextID: ID = 0
  private var conversations: [UserName: [ID: AsyncStream<Conversation.Snapshot>.Continuation]] =
    [:]
  private var lists: [ID: AsyncStream<ConversationList.Snapshot>.Continuation] = [:]
  private var states: [ID: AsyncStream<ConnectState>.Continuation] = [:]
  private var problems: [ID: AsyncStream<ConnectProblem>.Continuation] = [:]
  private var signals: [ID: AsyncStream<IncomingSignal>.Continuation] = [:]
  /// Peers whose conversation is observed, the one that was begun with last at the end.
  private var order: [UserName] = []
  private var lastState = ConnectState.idle
  var lastWatched: [UserName] = []

  private mutating func newID() -> ID {
    self.nextID += 1
    return self.nextID
  }

  // MARK: Coming and going

  mutating func add(
    _ observer: AsyncStream<Conversation.Snapshot>.Continuation, of peer: UserName
  ) -> ID {
    let id = self.newID()
    self.conversations[peer, default: [:]][id] = observer
    self.order.removeAll { $0 == peer }
    self.order.append(peer)
    return id
  }

  mutating func add(_ observer: AsyncStream<ConversationList.Snapshot>.Continuation) -> ID {
    let id = self.newID()
    self.lists[id] = observer
    return id
  }

  mutating func add(_ observer: AsyncStream<ConnectState>.Continuation) -> ID {
    let id = self.newID()
    self.states[id] = observer
    return id
  }

  mutating func add(_ observer: AsyncStream<ConnectProblem>.Continuation) -> ID {
    let id = self.newID()
    self.problems[id] = observer
    return id
  }

  mutating func add(_ observer: AsyncStream<IncomingSignal>.Continuation) -> ID {
    let id = self.newID()
    self.signals[id] = observer
    return id
  }

  mutating func remove(_ id: ID) {
    for (peer, var observers) in self.conversations where observers[id] != nil {
      observers[id] = nil
      self.conversations[peer] = observers.isEmpty ? nil : observers
      if observers.isEmpty { self.order.removeAll { $0 == peer } }
    }
    self.lists[id] = nil
    self.states[id] = nil
    self.problems[id] = nil
    self.signals[id] = nil
  }

  /// All observers, to be told that there will be no more. To be called outside of a lock: an observer that
  /// ends calls back.
  mutating func takeAll() -> [@Sendable () -> Void] {
    var all: [@Sendable () -> Void] = []
    for observer in self.conversations.values.flatMap(\.values) { all.append(observer.finish) }
    for observer in self.lists.values { all.append(observer.finish) }
    for observer in self.states.values { all.append(observer.finish) }
    for observer in self.problems.values { all.append(observer.finish) }
    for observer in self.signals.values { all.append(observer.finish) }
    self = ConversationObservers()
    return all
  }

  // MARK: Telling

  func isObserved(_ peer: UserName) -> Bool { self.conversations[peer] != nil }

  var hasLists: Bool { !self.lists.isEmpty }

  func tell(_ snapshot: Conversation.Snapshot, of peer: UserName) {
    for observer in (self.conversations[peer] ?? [:]).values { observer.yield(snapshot) }
  }

  func tell(_ snapshot: ConversationList.Snapshot) {
    for observer in self.lists.values { observer.yield(snapshot) }
  }

  mutating func tell(_ state: ConnectState) {
    guard state != self.lastState else { return }
    self.lastState = state
    for observer in self.states.values { observer.yield(state) }
  }

  func tell(_ problem: ConnectProblem) {
    for observer in self.problems.values { observer.yield(problem) }
  }

  func tell(_ signal: IncomingSignal) {
    for observer in self.signals.values { observer.yield(signal) }
  }

  /// Whose presence to watch: the conversations that are observed, the newest observer first, and behind them
  /// those of the list.
  func watched(listed: [UserName]) -> [UserName] {
    var watched: [UserName] = []
    for peer in self.order.reversed() + listed where !watched.contains(peer) {
      guard watched.count < ClientFrame.Presence.maximumUsers else { break }
      watched.append(peer)
    }
    return watched
  }
}
