import ConnectProtocol
import DequeModule

/// Signals on their way to the server: kept at its pace, and dropped rather than said late.
///
/// Pure: times are nanoseconds of the caller's clock.
struct SignalsStateMachine {
  private struct Entry {
    let signal: OutgoingSignal
    /// When it is no longer worth saying.
    let deadline: UInt64
  }

  private var waiting = Deque<Entry>()
  private var pacer = SendPacer(perSecond: 0)
  private var heldUntil: UInt64 = 0
  /// What was said last, to tell its refusals from others.
  private var said = Deque<MessageID>()
  private(set) var isConnected = false

  /// A connection was welcomed.
  mutating func connected(signalsPerSecond: Int) {
    self.isConnected = true
    self.heldUntil = 0
    self.pacer = SendPacer(
      perSecond: signalsPerSecond, burstMilliseconds: ConnectClientLimits.signalBurstMilliseconds)
  }

  /// The connection is gone, or about to end: nobody hears of what waits.
  mutating func disconnected() {
    self.isConnected = false
    self.waiting = Deque()
    self.said = Deque()
  }

  /// Takes a signal from the app. Without a connection it is dropped; where too many wait, the oldest is.
  mutating func append(_ signal: OutgoingSignal, now: UInt64) {
    guard self.isConnected else { return }
    if self.waiting.count >= ConnectClientLimits.waitingSignals { self.waiting.removeFirst() }
    let deadline = now + ConnectClientLimits.signalMilliseconds * 1_000_000
    self.waiting.append(Entry(signal: signal, deadline: deadline))
  }

  enum Next: Hashable {
    case none
    /// Ask again at this time.
    case wait(until: UInt64)
    /// Write this now.
    case write(OutgoingSignal)
  }

  /// The signal that is due now, which thereby counts as said.
  ///
  /// - Parameter id: what it is called, if there is one.
  mutating func next(id: @autoclosure () -> MessageID, now: UInt64) -> (Next, id: MessageID?) {
    while let first = self.waiting.first, first.deadline <= now { self.waiting.removeFirst() }
    guard let first = self.waiting.first else { return (.none, nil) }
    guard now >= self.heldUntil else { return (.wait(until: self.heldUntil), nil) }
    if let until = self.pacer.take(now: now) { return (.wait(until: until), nil) }
    self.waiting.removeFirst()
    let id = id()
    if self.said.count >= ConnectClientLimits.waitingSignals { self.said.removeFirst() }
    self.said.append(id)
    return (.write(first.signal), id)
  }

  /// The server has refused a request.
  ///
  /// - Parameter until: when signals may be taken again; nil if this one never will.
  /// - Returns: whether it was a signal. It is not said again.
  mutating func rejected(_ id: MessageID, until: UInt64?) -> Bool {
    guard let index = self.said.firstIndex(of: id) else { return false }
    self.said.remove(at: index)
    if let until { self.heldUntil = max(self.heldUntil, until) }
    return true
  }
}
