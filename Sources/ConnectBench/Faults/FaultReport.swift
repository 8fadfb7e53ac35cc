/// The fate of all messages sent while faults were done to a deployment.
package struct FaultReport: Report, Sendable {
  /// The effects of one kind of fault.
  package struct Fault: Encodable, Sendable {
    package let kind: String
    package var count = 0
    /// Sends of raw senders that were temporarily rejected, from this fault to the next.
    package var rejections = 0
    /// How often the deployment did not recover in time.
    package var stuck = 0
    /// Messages written during the fault.
    package var sent = 0
    /// Messages shown to devices during the fault.
    package var shown = 0
    /// The longest time without anything shown to anybody, from this fault to the next.
    package var longestSilenceSeconds = 0.0
    /// The longest time from the end of a Redis node until a message was accepted again for what it
    /// had; nil if no node has ended.
    package var longestOutageSeconds: Double?
    /// The longest time from the end of the fault until all conversations continued.
    package var longestRecoverySeconds = 0.0
  }

  package let seed: UInt64
  /// How long messages were sent.
  package let seconds: Double
  package let users: Int
  /// Further users, who send open loop.
  package let rawSenders: Int
  /// Messages that the clients accepted for sending.
  package let sent: Int
  /// Sent messages that the server accepted.
  package let accepted: Int
  /// Sent messages neither accepted nor rejected at the end.
  package let unanswered: Int
  /// Sent messages that were permanently rejected.
  package let rejected: Int
  /// Temporary rejections; a message may have several.
  package let postponed: Int
  /// Those of messages of raw senders.
  package let postponedOpenLoop: Int
  /// The fewest such rejections for the run to say something about order.
  package let requiredRejections: Int
  /// Accepted messages that came back to the sender as impossible to store.
  package let failed: Int
  /// Messages shown to a device for the first time.
  package let shown: Int
  /// Accepted messages that are missing on a device of the recipient.
  package let lost: Int
  /// Whether losses break no promise: a replica may have taken over, and none had to confirm.
  package let mayLose: Bool
  /// Messages shown again to a device.
  package let repeated: Int
  /// Messages shown after one that was enqueued later, whatever the server had answered to either.
  package let reordered: Int
  /// Those that are not among these, since a busy machine kept their sender for so long from sending again what was
  /// rejected that the gateway may have given its place to later ones.
  package let excused: Int
  /// Messages and copies shown in another order than on another device of the user.
  package let disagreed: Int
  /// Messages with another body, sender or recipient than they were sent with.
  package let garbled: Int
  /// Copies shown to a device of the sender for the first time.
  package let copies: Int
  /// Copies of accepted messages that are missing on a device of the sender.
  package let copiesLost: Int
  /// Copies shown again to a device.
  package let copiesRepeated: Int
  /// Copies shown after one of the same conversation that was enqueued later.
  package let copiesReordered: Int
  /// Copies of another message than was sent, or to another user.
  package let copiesGarbled: Int
  /// Positions that devices were told.
  package let positions: Int
  /// Conversations of which some device was told less than what is delivered and read.
  package let positionsBehind: Int
  /// Positions told that were below what the device was told before.
  package let positionsBack: Int
  /// Positions told of what had not happened.
  package let positionsAhead: Int
  /// Entries of mailboxes that are none of the log: receipts, positions and signals.
  package internal(set) var strayEntries = 0
  /// Lists of conversations and histories that were compared with what had happened.
  package let lists: Int
  /// Those of them that were asked for while others wrote.
  package let listsMeanwhile: Int
  /// Those of them that were not what they should be.
  package let listsWrong: Int
  /// Conversations in these lists of which more may be unread than was counted.
  package let unreadBounded: Int
  /// Mailboxes of which not everything was kept, at a pause.
  package let mailboxesTrimmed: Int
  /// Signals that devices were told.
  package let signals: Int
  /// Signals that came later than they may.
  package let signalsLate: Int
  /// Signals that a device was told again.
  package let signalsRepeated: Int
  /// Signals that nobody had sent to that user.
  package let signalsAstray: Int
  /// Connections opened after a device's first.
  package let reconnects: Int
  package let gaveUp: Int
  /// Processes that ended by themselves.
  package let crashed: Int
  package internal(set) var damagedReplies = 0
  /// Processes that were asked to end and did not exit with 0.
  package let uncleanStops: Int
  package let faults: [Fault]
  package let incidents: [String]

  /// Whether everything that was accepted was shown once, in order, on all devices, everything worked
  /// again after each fault, and enough was rejected on the way to say so.
  package var isSound: Bool { self.keepsPromises && self.saysEnough }

  /// The same, however few were rejected.
  package var keepsPromises: Bool {
    let lost =
      self.lost + self.copiesLost + self.positionsBehind + self.positionsBack + self.listsWrong
    // What a mailbox has lost with its primary may come again from the bus, behind what was stored since.
    let late = self.reordered + self.copiesReordered
    return (lost + late == 0 || self.mayLose) && self.isSoundButForLosses
  }

  /// Whether enough was rejected for the moment: a run in which hardly anything was sent again says
  /// nothing about its order.
  package var saysEnough: Bool { self.postponedOpenLoop >= self.requiredRejections }

  /// The same except for losses, and for what comes again after one.
  package var isSoundButForLosses: Bool {
    self.repeated == 0 && self.disagreed == 0 && self.garbled == 0
      && self.copiesRepeated == 0 && self.copiesGarbled == 0 && self.positionsAhead == 0
      && self.signalsLate + self.signalsRepeated + self.signalsAstray == 0
      && self.strayEntries == 0 && self.gaveUp == 0 && self.crashed == 0 && self.unanswered == 0
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
      (
        "reordered",
        "\(self.reordered)"
          + (self.excused == 0 ? "" : ", and \(self.excused) that were sent again too late")
      ),
      ("devices disagreed", "\(self.disagreed)"),
      ("garbled", "\(self.garbled)"),
      (
        "copies",
        "\(self.copies): \(self.copiesLost) lost, \(self.copiesRepeated) repeated, "
          + "\(self.copiesReordered) reordered, \(self.copiesGarbled) garbled"
      ),
      (
        "positions",
        "\(self.positions): \(self.positionsBehind) behind, \(self.positionsBack) went back, "
          + "\(self.positionsAhead) ahead; \(self.strayEntries) in mailboxes"
      ),
      (
        "lists",
        "\(self.lists), \(self.listsMeanwhile) while others wrote: \(self.listsWrong) wrong"
      ),
      (
        "signals",
        "\(self.signals): \(self.signalsLate) late, \(self.signalsRepeated) repeated, "
          + "\(self.signalsAstray) astray"
      ),
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
