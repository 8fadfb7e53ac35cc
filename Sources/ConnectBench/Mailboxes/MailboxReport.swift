import MessageBus

/// What mailboxes take in Redis, what their replay costs, and what messages cost beside many of them.
struct MailboxReport: Report {
  /// Redis's memory of users with so many messages each.
  struct Memory: Encodable {
    let messages: Int
    let users: Int
    /// Of a user who was never connected.
    let storedBytesPerUser: Double
    /// Of a user whose device has acked all of them.
    let ackedBytesPerUser: Double
  }

  /// Replays of a mailbox, each on a connection of its own.
  struct Replay: Encodable {
    let entries: Int
    let repeats: Int
    /// From the connect to `live`, the median.
    let milliseconds: Double
    /// Of all that such a connection costs; nil where the system does not tell.
    let cpuMicrosecondsPerEntry: CPUCost?
    /// The gateway's resident memory before the first, and the most meanwhile; nil where the system does not
    /// tell.
    let gatewayBytes: Int?
    let gatewayPeakBytes: Int?
  }

  /// Messages between users who are connected, beside stored mailboxes of others.
  struct Stored: Encodable {
    let mailboxes: Int
    /// All of its memory.
    let redisBytes: Int
    let cpuMicrosecondsPerMessage: CPUCost?
    let latencyP50Milliseconds: Double
    let latencyP99Milliseconds: Double
    /// See ``GeneratorShare``.
    let generatorShare: Double
  }

  let benchmark = "mailbox"
  let version = ConnectVersion.text
  let setup: BenchSetup
  let bodyBytes: Int
  /// Messages per second in ``stored``.
  let rate: Int
  let memory: [Memory]
  let replays: [Replay]
  let stored: [Stored]
  /// Of the messages of ``stored``.
  let soundness: Soundness

  init(
    setup: BenchSetup, bodyBytes: Int, rate: Int, memory: [Memory], replays: [Replay],
    stored: [Stored], totals: Ledger.Totals
  ) {
    self.setup = setup
    self.bodyBytes = bodyBytes
    self.rate = rate
    self.memory = memory
    self.replays = replays
    self.stored = stored
    self.soundness = Soundness(totals)
  }

  func table() -> String {
    var lines = self.setup.lines()
    lines.append("Redis's memory per user in bytes")
    lines += Self.columns(
      [["messages", "users", "never connected", "acked"]]
        + self.memory.map { row in
          [
            "\(row.messages)", "\(row.users)", Self.decimal(row.storedBytesPerUser, 0),
            Self.decimal(row.ackedBytesPerUser, 0),
          ]
        })
    lines += ["", "replay of a mailbox, CPU per entry in microseconds"]
    lines += Self.columns(
      [["entries", "times", "ms"] + CPUCost.titles + ["gateway MiB", "peak MiB"]]
        + self.replays.map { row in
          ["\(row.entries)", "\(row.repeats)", Self.decimal(row.milliseconds)]
            + CPUCost.cells(row.cpuMicrosecondsPerEntry)
            + [row.gatewayBytes, row.gatewayPeakBytes].map(Self.mebibytes)
        })
    lines += [
      "",
      "beside stored mailboxes, at \(self.rate) messages a second, CPU per message in microseconds",
    ]
    lines += Self.columns(
      [
        ["mailboxes", "Redis MiB"] + CPUCost.titles
          + ["relative to the fewest", "p50 ms", "p99 ms", GeneratorShare.title]
      ]
        + self.stored.map { row in
          ["\(row.mailboxes)", Self.mebibytes(row.redisBytes)]
            + CPUCost.cells(row.cpuMicrosecondsPerMessage)
            + [
              self.share(row), Self.decimal(row.latencyP50Milliseconds, 2),
              Self.decimal(row.latencyP99Milliseconds, 2), GeneratorShare.text(row.generatorShare),
            ]
        })
    lines += GeneratorShare.lines(self.stored.map(\.generatorShare))
    lines += self.soundness.lines
    return lines.joined(separator: "\n")
  }

  private static func mebibytes(_ bytes: Int?) -> String {
    bytes.map { Self.decimal(Double($0) / 1_048_576) } ?? "-"
  }

  /// Its cost as a multiple of that beside the fewest mailboxes.
  private func share(_ row: Stored) -> String {
    guard let first = self.stored.first?.cpuMicrosecondsPerMessage?.all, first > 0,
      let all = row.cpuMicrosecondsPerMessage?.all
    else { return "-" }
    return Self.decimal(all / first, 2)
  }
}

extension MailboxReport.Stored {
  init(_ row: LoadBesideMailboxes.Row) {
    self.init(
      mailboxes: row.mailboxes, redisBytes: row.redisBytes,
      cpuMicrosecondsPerMessage: row.steady.cost,
      latencyP50Milliseconds: row.steady.latencies.milliseconds(50),
      latencyP99Milliseconds: row.steady.latencies.milliseconds(99),
      generatorShare: row.steady.sent.generatorShare)
  }
}
