import MessageBus

/// What messages that were accepted without messaging cost, and how long they took.
struct BacklogReport: Report {
  let benchmark = "backlog"
  let version = ConnectVersion.text
  /// At the beginning.
  let setup: BenchSetup
  let connections: Int
  let rate: Int
  let bodyBytes: Int
  /// How long messages were sent without messaging.
  let awaySeconds: Double
  /// Messages that were accepted meanwhile.
  let backlog: Int
  /// Sends that were rejected meanwhile.
  let rejected: Int
  /// From the start of the new messaging instance to the first delivery, and to the last; nil if there was none.
  let firstDeliveredSeconds: Double?
  let lastDeliveredSeconds: Double?
  /// From the first delivery to the last.
  let deliveredPerSecond: Double?
  /// In each second since the start of the new messaging instance.
  let deliveredInSecond: [Int]
  /// Per message, with messaging there; nil where the system does not tell.
  let steadyCPUMicrosecondsPerMessage: CPUCost?
  /// Per accepted message, while messaging was away.
  let awayCPUMicrosecondsPerMessage: CPUCost?
  /// Per delivered message, from the start of the new messaging instance on, which is in it.
  let catchUpCPUMicrosecondsPerMessage: CPUCost?
  let soundness: Soundness

  init(
    setup: BenchSetup, connections: Int, rate: Int, bodyBytes: Int, steady: CPUCost?,
    away: AwayTime, catchUp: CatchUp, totals: Ledger.Totals
  ) {
    self.setup = setup
    self.connections = connections
    self.rate = rate
    self.bodyBytes = bodyBytes
    self.awaySeconds = away.duration / .seconds(1)
    self.backlog = away.totals.accepted
    self.rejected = away.totals.refused
    let timeline = catchUp.timeline
    self.firstDeliveredSeconds = timeline.first.map { $0 / .seconds(1) }
    self.lastDeliveredSeconds = timeline.last.map { $0 / .seconds(1) }
    if let first = timeline.first, let last = timeline.last, last > first {
      self.deliveredPerSecond = Double(timeline.count) / ((last - first) / .seconds(1))
    } else {
      self.deliveredPerSecond = nil
    }
    self.deliveredInSecond = timeline.perSecond
    self.steadyCPUMicrosecondsPerMessage = steady
    self.awayCPUMicrosecondsPerMessage = away.cost
    self.catchUpCPUMicrosecondsPerMessage = catchUp.cost
    self.soundness = Soundness(totals)
  }

  func table() -> String {
    func seconds(_ seconds: Double?) -> String {
      seconds.map { "\(Self.decimal($0, 2)) s after the start of messaging" } ?? "never"
    }
    var rows = self.setup.rows
    rows += [
      ["connections", "\(self.connections)"],
      [
        "backlog",
        "\(self.backlog) messages, accepted in \(Self.decimal(self.awaySeconds)) s without messaging",
      ],
      ["rejected meanwhile", "\(self.rejected)"],
      ["first delivered", seconds(self.firstDeliveredSeconds)],
      ["last delivered", seconds(self.lastDeliveredSeconds)],
      ["delivered", self.deliveredPerSecond.map { "\(Self.decimal($0, 0)) a second" } ?? "-"],
    ]
    rows += self.soundness.rows
    let costs: [(String, CPUCost?)] = [
      ("with messaging", self.steadyCPUMicrosecondsPerMessage),
      ("accepted without", self.awayCPUMicrosecondsPerMessage),
      ("delivered later", self.catchUpCPUMicrosecondsPerMessage),
    ]
    var lines = Self.columns(rows)
    lines += ["", "CPU per message in microseconds"]
    lines += Self.columns(
      [[""] + CPUCost.titles] + costs.map { [$0.0] + CPUCost.cells($0.1) })
    lines += [""] + Self.columns(Timeline.rows("delivered", of: self.deliveredInSecond))
    return lines.joined(separator: "\n")
  }
}

/// The time without messaging.
struct AwayTime {
  let duration: Duration
  /// Of that time alone.
  let totals: Ledger.Totals
  /// Per accepted message.
  let cost: CPUCost?
}

/// The time from the start of the new messaging instance on.
struct CatchUp {
  let timeline: Timeline
  /// Per delivered message.
  let cost: CPUCost?
}
