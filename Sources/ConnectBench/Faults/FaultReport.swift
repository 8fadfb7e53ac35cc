/// What became of everything that was sent while a deployment was hurt.
package struct FaultReport: Report, Sendable {
  /// What one kind of fault did.
  package struct Fault: Encodable, Sendable {
    package let kind: String
    /// How often.
    package var count = 0
    /// How many sends of raw senders were rejected for the moment, from the fault to the next.
    package var rejections = 0
    /// How often the deployment did not work again in time.
    package var stuck = 0
    /// How many messages were shown to devices while it was done.
    package var shown = 0
    /// The longest time without anything shown to anybody, from the fault to the next.
    package var longestSilenceSeconds = 0.0
    /// The longest time from the end of a Redis node until a message was accepted again for what it
    /// had; nil if no node has ended.
    package var longestOutageSeconds: Double?
    /// The longest time from the end of the fault until all conversations went on.
    package var longestRecoverySeconds = 0.0
  }

  package let seed: UInt64
  /// How long messages were sent.
  package let seconds: Double
  /// Users who chat.
  package let users: Int
  /// Further users, who send open loop.
  package let rawSenders: Int
  /// Messages that the clients took.
  package let sent: Int
  /// Of these, the server's.
  package let accepted: Int
  /// Neither accepted nor rejected at the end.
  package let unanswered: Int
  /// Rejected for good.
  package let rejected: Int
  /// Times that a message was rejected for the moment.
  package let postponed: Int
  /// Of these, messages of raw senders.
  package let postponedOpenLoop: Int
  /// How many these must be for the run to say something about order.
  package let requiredRejections: Int
  /// Accepted, and came back to the sender as not storable.
  package let failed: Int
  /// To a device, for the first time.
  package let shown: Int
  /// Accepted, and missing on a device of the recipient.
  package let lost: Int
  /// Whether losses break no promise: a replica may have taken over, and none had to confirm.
  package let mayLose: Bool
  /// To a device that had them.
  package let repeated: Int
  /// Behind a message that was enqueued after them, whatever the server had said to either.
  package let reordered: Int
  /// Shown in another order than on another device of the user.
  package let disagreed: Int
  /// With another body, sender or recipient than they were sent with.
  package let garbled: Int
  package let receipts: Int
  /// Connections opened after a device's first.
  package let reconnects: Int
  package let gaveUp: Int
  /// Processes that ended of themselves.
  package let crashed: Int
  /// Replies of Redis that were damaged.
  package internal(set) var damagedReplies = 0
  /// Processes that were asked to end and did not exit with 0.
  package let uncleanStops: Int
  /// Each kind of fault.
  package let faults: [Fault]
  /// What went wrong, the first times.
  package let incidents: [String]

  /// Whether everything that was accepted was shown once, in order, on all devices, everything worked
  /// again after each fault, and enough was rejected on the way to say so.
  package var isSound: Bool { self.keepsPromises && self.saysEnough }

  /// The same, however much was rejected.
  package var keepsPromises: Bool { (self.lost == 0 || self.mayLose) && self.isSoundButForLosses }

  /// Whether enough was rejected for the moment: a run in which hardly anything was sent again says
  /// nothing about its order.
  package var saysEnough: Bool { self.postponedOpenLoop >= self.requiredRejections }

  /// The same of what was not lost, whatever may be.
  package var isSoundButForLosses: Bool {
    self.repeated == 0 && self.reordered == 0 && self.disagreed == 0
      && self.garbled == 0 && self.gaveUp == 0 && self.crashed == 0 && self.unanswered == 0
      && self.rejected == 0 && self.failed == 0 && self.faults.allSatisfy { $0.stuck == 0 }
  }

  package func table() -> String {
    let rows: [(String, String)] = [
      ("seed", "\(self.seed)"),
      ("users", "\(self.users), and \(self.rawSenders) raw senders"),
      ("sent", "\(self.sent) in \(Self.decimal(self.seconds)) s"),
      ("accepted", "\(self.accepted)"),
      ("rejected", "\(self.rejected), and \(self.postponed) times for the moment"),
      (
        "of raw senders",
        "\(self.postponedOpenLoop) times"
          + (self.saysEnough ? "" : ": too few, \(self.requiredRejections) are needed")
      ),
      ("unanswered", "\(self.unanswered)"),
      ("failed", "\(self.failed)"),
      ("shown", "\(self.shown)"),
      ("lost", "\(self.lost)" + (self.mayLose ? ", which no replica had to confirm" : "")),
      ("repeated", "\(self.repeated)"),
      ("reordered", "\(self.reordered)"),
      ("devices disagreed", "\(self.disagreed)"),
      ("garbled", "\(self.garbled)"),
      ("receipts", "\(self.receipts)"),
      ("reconnects", "\(self.reconnects)"),
      ("clients gave up", "\(self.gaveUp)"),
      ("processes crashed", "\(self.crashed), and \(self.uncleanStops) ended uncleanly"),
    ]
    var lines = Self.columns(rows.map { [$0.0, $0.1] })
    lines += [""]
    lines += Self.columns(
      [
        [
          "fault", "times", "rejections", "shown", "longest silence", "longest outage",
          "longest recovery", "stuck",
        ]
      ]
        + self.faults.map { fault in
          [
            fault.kind, "\(fault.count)", "\(fault.rejections)", "\(fault.shown)",
            "\(Self.decimal(fault.longestSilenceSeconds)) s",
            fault.longestOutageSeconds.map { "\(Self.decimal($0)) s" } ?? "-",
            "\(Self.decimal(fault.longestRecoverySeconds)) s", "\(fault.stuck)",
          ]
        })
    if !self.incidents.isEmpty { lines += ["", "incidents"] + self.incidents.map { "  \($0)" } }
    return lines.joined(separator: "\n")
  }
}
