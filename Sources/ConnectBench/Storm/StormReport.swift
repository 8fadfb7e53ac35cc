import MessageBus

/// How clients come back that have lost their connections at once, and what it costs.
struct StormReport: Report {
  /// Latency of the messages of those who kept their connections.
  struct Others: Encodable {
    let messages: Int
    let latencyP50Milliseconds: Double
    let latencyP99Milliseconds: Double

    init(messages: Int, _ latencies: Latencies) {
      self.messages = messages
      self.latencyP50Milliseconds = latencies.milliseconds(50)
      self.latencyP99Milliseconds = latencies.milliseconds(99)
    }

    fileprivate var cells: [String] {
      [
        "\(self.messages)", StormReport.decimal(self.latencyP50Milliseconds, 2),
        StormReport.decimal(self.latencyP99Milliseconds, 2),
      ]
    }
  }

  let benchmark = "storm"
  let version = ConnectVersion.text
  /// Before the storm.
  let setup: BenchSetup
  let connections: Int
  let loss: StormLoss
  let talkers: Int
  let rate: Int
  /// Connections that came back.
  let back: Int
  /// Connections that there were at the end.
  let live: Int
  /// From the loss until half were back, 99 % and all; nil if there are fewer.
  let halfBackSeconds: Double?
  let p99BackSeconds: Double?
  let allBackSeconds: Double?
  let backInSecond: [Int]
  let attempts: Int
  let refused: Int
  let failed: Int
  /// Per connect, of connections that are opened 200 at a time; nil where the system does not tell.
  let openCPUMicrosecondsPerConnect: CPUCost?
  /// Per connection that came back, without what the others' messages cost.
  let stormCPUMicrosecondsPerConnect: CPUCost?
  let othersBefore: Others
  let othersMeanwhile: Others
  let soundness: Soundness

  init(
    setup: BenchSetup, connections: Int, loss: StormLoss, talkers: Int, rate: Int,
    counts: StormCrowd.Counts, open: CPUCost?, storm: CPUCost?, before: Others,
    meanwhile: Others, totals: Ledger.Totals
  ) {
    self.setup = setup
    self.connections = connections
    self.loss = loss
    self.talkers = talkers
    self.rate = rate
    let back = counts.comeback.count
    self.back = back
    self.live = counts.live
    func seconds(_ percentile: Double) -> Double? {
      // Of all connections: what is not back has no time.
      let share = percentile * Double(connections) / Double(max(back, 1))
      return back > 0 && share <= 100 ? counts.waits.percentile(share) / .seconds(1) : nil
    }
    self.halfBackSeconds = seconds(50)
    self.p99BackSeconds = seconds(99)
    self.allBackSeconds =
      back >= connections ? counts.comeback.last.map { $0 / .seconds(1) } : nil
    self.backInSecond = counts.comeback.perSecond
    self.attempts = counts.attempts
    self.refused = counts.refused
    self.failed = counts.failed
    self.openCPUMicrosecondsPerConnect = open
    self.stormCPUMicrosecondsPerConnect = storm
    self.othersBefore = before
    self.othersMeanwhile = meanwhile
    self.soundness = Soundness(totals)
  }

  /// Whether each came back, and none was lost again.
  var areAllBack: Bool { self.back == self.connections && self.live == self.connections }

  func table() -> String {
    func after(_ seconds: Double?) -> String {
      seconds.map { "after \(Self.decimal($0, 2)) s" } ?? "never"
    }
    var rows = self.setup.rows
    rows += [
      ["connections", "\(self.connections), \(self.loss.text)"],
      [
        "back",
        "half \(after(self.halfBackSeconds)), 99 % \(after(self.p99BackSeconds)), "
          + "all \(after(self.allBackSeconds)); \(self.live) live at the end",
      ],
      [
        "attempts",
        "\(self.attempts), of which \(self.refused) were refused and \(self.failed) failed",
      ],
    ]
    rows += self.soundness.rows
    let costs = [
      ("opened 200 at a time", self.openCPUMicrosecondsPerConnect),
      ("in the storm", self.stormCPUMicrosecondsPerConnect),
    ]
    var lines = Self.columns(rows)
    lines += ["", "CPU per connect in microseconds"]
    lines += Self.columns(
      [[""] + CPUCost.titles] + costs.map { [$0.0] + CPUCost.cells($0.1) })
    lines += ["", "messages of the others"]
    lines += Self.columns([
      ["", "messages", "p50 ms", "p99 ms"], ["before"] + self.othersBefore.cells,
      ["in the storm"] + self.othersMeanwhile.cells,
    ])
    lines += [""] + Self.columns(Timeline.rows("back", of: self.backInSecond))
    return lines.joined(separator: "\n")
  }
}
