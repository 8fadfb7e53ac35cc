import ConnectProtocol
import DequeModule

/// Events between the socket and a consumer: bounded, by no longer reading from the socket.
///
/// Pure.
struct EventBuffer {
  private var events = Deque<ConnectEvent>()
  private let high: Int
  private let low: Int
  /// The socket is not to be read.
  private(set) var isPaused = false
  /// Nothing more will come.
  private(set) var isFinished = false

  /// - Parameter high: how many events may wait.
  init(high: Int) {
    precondition(high >= 1)
    self.high = high
    self.low = min(ConnectClientLimits.bufferedEventsLow, high / 4)
  }

  /// How many events wait.
  var count: Int { self.events.count }

  /// One more event.
  ///
  /// - Returns: whether to stop reading now.
  mutating func append(_ event: ConnectEvent) -> Bool {
    precondition(!self.isFinished, "an event after the last one")
    // A client that comes and goes while nobody looks would fill the memory with that alone.
    if self.events.count >= self.high, event.isAboutConnection,
      self.events.last?.isAboutConnection == true
    {
      self.events.removeLast()
    }
    self.events.append(event)
    if case .disconnected(_, retryIn: nil) = event { self.isFinished = true }
    self.isPaused = self.events.count >= self.high
    return self.isPaused
  }

  /// Takes the oldest event.
  mutating func next() -> ConnectEvent? { self.events.popFirst() }

  /// The consumer has caught up.
  ///
  /// - Returns: whether to read again now.
  mutating func resumes() -> Bool {
    guard self.isPaused, self.events.count <= self.low else { return false }
    self.isPaused = false
    return true
  }
}

extension ConnectEvent {
  /// Whether it tells of the connection only: of several in a row the last is what holds.
  fileprivate var isAboutConnection: Bool {
    switch self {
    case .connecting, .connected, .live, .disconnected: true
    case .message, .sent, .position, .failed, .accepted, .rejected, .typing, .signal, .presence,
      .error:
      false
    }
  }
}
