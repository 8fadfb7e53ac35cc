/// Every limit, wait and default of deployments, chatters and faults, each with its unit.
package enum FaultLimits {
  /// Time for a service to report its start.
  package static let start = Duration.seconds(120)
  /// Time between SIGTERM of a service and SIGKILL.
  package static let stopGrace = Duration.seconds(20)
  /// The same at the end of a deployment, when nobody looks any more at how it ends.
  static let endGrace = Duration.seconds(5)
  /// How long everything may take to work again after a fault.
  package static let recovery = Duration.seconds(90)
  /// Time for the last messages to arrive after the last send.
  package static let settle = Duration.seconds(90)
  /// Messages count as lost if they are missing by then and none has come for this long. Longer
  /// than a gateway takes to look whether a device has everything.
  package static let standstill = Duration.seconds(60)
  /// How long a server of Redis hangs: longer than a command may take (5 s), so that what was under
  /// way has failed by the time the server goes on.
  package static let hang = Duration.seconds(8)
  /// For how long all connections to Redis are cut again and again.
  static let cutting = Duration.seconds(6)
  /// Interval between two such cuts, at least.
  static let cutInterval = Duration.milliseconds(200)
  /// How long a busy machine has to show something between two cuts.
  static let cutPatience = Duration.milliseconds(600)
  /// How many sends of raw senders must be rejected for the moment, for each fault that must cause
  /// rejections: a run with fewer says nothing about the order of what is sent again.
  package static let rejectionsPerFault = 50
  /// The most rounds of faults done beyond those asked for, until enough was rejected.
  package static let furtherRounds = 4
  /// Interval at which an awaited condition is checked.
  package static let poll = Duration.milliseconds(20)

  /// Lines of output kept of each process: the last ones.
  package static let keptLines = 100_000
  /// The most incidents that the report describes.
  package static let incidents = 40

  /// Lines of output that the report has of a process that crashed.
  static let crashLines = 60

  /// For so long at least, behind the wait that it asks for, a gateway keeps the places of rejected sends
  /// (Protocol.md, rule 5).
  static let placesKept = Duration.seconds(5)
  /// Messages of a raw sender that have no answer, sent or not, before it writes no further ones: more
  /// than a gateway holds back for one connection, and a fourth of the entries of a mailbox among which
  /// what is sent again is recognised.
  static let rawUnanswered = 512
  /// How many messages each raw sender writes at once, in turn. The pauses between matter as much: what
  /// is written in one pipeline fails as one, and what follows it alone can overtake.
  static let rawBursts = [1, 6, 18]
  /// Every second raw sender handles what it reads so much later, as if it were far away: meanwhile it
  /// sends on, behind what is rejected already.
  static let rawLag = Duration.milliseconds(200)

  /// Interval at which due messages are looked for.
  static let tick = Duration.milliseconds(5)
  /// Messages that a stall of this process has delayed for longer are not written.
  static let catchUp = Duration.seconds(1)
  /// One message in this many of a conversation asks for a receipt, the first of all.
  static let receiptEvery = 2
  /// One message in this many of a conversation is quiet.
  static let quietEvery = 5
  /// At one message in this many the recipient says that the conversation is read, on one device after
  /// the other.
  static let readEvery = 8
  /// One `read` in this many is private.
  static let privateReadEvery = 3
  /// With one message in this many of a conversation its sender passes a signal on.
  static let signalEvery = 4
  /// How late a signal may come, as Protocol.md says.
  static let signalAge = Duration.seconds(6)
  /// How much later it may be seen on a device, beside the stalls of this process.
  static let signalSlack = Duration.seconds(1)
  /// Loops and tasks of this process by which a signal comes, each of which a busy machine may stall.
  static let signalSteps = 3
  /// Only what is longer is a stall.
  static let leastStall = Duration.milliseconds(50)
  /// Stalls count for so long.
  static let stallMemory = Duration.seconds(10)
  /// Interval at which some device asks for the list of conversations while people write.
  static let listInterval = Duration.milliseconds(400)
  /// Time between two parts, in which others write.
  static let partInterval = Duration.milliseconds(50)
  /// Conversations in each part of a list, where it is asked for in parts.
  static let listPart = 2
  /// Entries of the history with a peer: only the newest.
  static let historyPart = 40
  /// Entries of each mailbox that are compared with what lists and histories say, at least: the newest.
  static let entriesKept = 4_096
  /// Lists that wait to be compared.
  static let listsKept = 2_000
  /// Wrong lists and histories that the report describes: the first ones.
  static let listsDescribed = 8
  /// Time between two pauses, at least.
  static let pauseInterval = Duration.seconds(15)
  /// How long everybody is waited for at a pause between two faults. Without that, nothing is compared.
  static let pause = Duration.seconds(20)
  /// How long an answer is waited for at a pause.
  static let answer = Duration.seconds(60)
  /// Users who ask at the same time.
  static let asking = 8
  /// Entries that are looked at in each mailbox at the end, the newest.
  static let entriesLookedAt = 2_000
  /// One status in this many is printed where the line cannot be overwritten.
  static let shownStatusEvery = 10
  /// Time that the load balancer waits for a gateway to accept a connection, in milliseconds.
  static let balancerConnectMilliseconds: Int64 = 1_000
}
