/// When connections go while the gateway stops.
///
/// Not all at once: each comes back to another gateway, with a handshake, and reads its mailbox. They
/// go at a steady pace, and faster only if the time would not suffice otherwise.
///
/// Pure.
struct DrainPlan {
  /// Closes all connections at once, and waits for nothing.
  static let atOnce = DrainPlan(seconds: 0)

  /// Used while the gateway is not stopping.
  static func running(_ configuration: GatewayConfiguration) -> DrainPlan {
    DrainPlan(configuration, seconds: GatewayLimits.drainSeconds)
  }

  /// Time to wait for answers to a connection's sends, in milliseconds.
  let answerMilliseconds: Int64
  /// Time that a client has to answer the close, in milliseconds.
  let closeMilliseconds: Int64
  private let spreadSeconds: Double
  private let perSecond: Double

  /// - Parameters:
  ///   - seconds: in which all must be over.
  ///   - perSecond: how many go in a second, over all event loops …
  ///   - loops: … of which there are so many.
  ///   - answerMilliseconds: bounds the time for answers, beside a tenth of `seconds`.
  ///   - closeMilliseconds: likewise for the close.
  init(
    seconds: Int, perSecond: Int = GatewayLimits.drainPerSecond, loops: Int = 1,
    answerMilliseconds: Int64 = GatewayLimits.answerMilliseconds,
    closeMilliseconds: Int64 = GatewayLimits.closeMilliseconds
  ) {
    let tenth = Int64(seconds) * 100
    self.spreadSeconds = Double(seconds) * 0.8
    self.answerMilliseconds = min(tenth, answerMilliseconds)
    self.closeMilliseconds = min(tenth, closeMilliseconds)
    self.perSecond = Double(perSecond) / Double(loops)
  }

  init(_ configuration: GatewayConfiguration, seconds: Int, loops: Int = 1) {
    self.init(
      seconds: seconds, perSecond: configuration.drainPerSecond, loops: loops,
      answerMilliseconds: configuration.answerMilliseconds,
      closeMilliseconds: configuration.closeMilliseconds)
  }

  /// Number of a loop's connections, of `total`, that have been told to leave after `seconds`.
  func due(of total: Int, after seconds: Double) -> Int {
    guard seconds < self.spreadSeconds else { return total }
    let perSecond = max(self.perSecond, Double(total) / self.spreadSeconds)
    return min(total, 1 + Int(seconds * perSecond))
  }
}
