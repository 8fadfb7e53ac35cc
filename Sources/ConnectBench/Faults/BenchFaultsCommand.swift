import ArgumentParser
import Foundation
import Settings

struct BenchFaultsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "faults",
    abstract: "Hurts a deployment while people chat, and counts what became of each message.",
    discussion: """
      Starts a Redis, messaging instances and gateways of its own as child processes, with a load \
      balancer before them. Users chat through it in pairs and across, on two devices each; some \
      of the second ones are late, or off now and then, and some users have a third one that comes \
      at the end. All messages are copied, some ask for a receipt, some are quiet, and users say \
      what they have read, and pass signals on. Raw senders write to some of them on a bare WebSocket \
      each, and wait for no answer: what is rejected they send again in its old order, as the \
      protocol says, and then go on. Meanwhile one fault after the other is done to the \
      deployment, each kind once before any comes again, in an order that the seed decides.

      Exits with 1 unless everything that was accepted was shown exactly once on each device, each \
      sender's messages in the order in which they were first sent, and everything worked again \
      after each fault. The same holds for copies, on the sender's devices, which must have one \
      order with what came. At the end each device must know how far each conversation is \
      delivered and read; at no time may it be told more than had happened, or less than before. \
      At the end, at pauses between faults, and while others write, devices ask for their \
      conversations and for history, and each answer must be what it should: who is named, the \
      newest message, how many are unread, and every entry. Signals must come in time, once, and \
      to nobody else. \
      Where a replica takes over and --durability is accepted, what was lost is \
      counted, and is not a failure.

      Also exits with 1 if fewer than \(FaultLimits.rejectionsPerFault) sends of raw senders were \
      rejected for each fault that must cause rejections (\(Self.rejecting)): such a run says \
      nothing about order.
      """)

  /// The faults that must cause rejections.
  private static let rejecting = FaultKind.allCases.filter(\.causesRejections).map(\.rawValue)
    .joined(separator: ", ")
  private static let all = FaultKind.allCases.map(\.rawValue).joined(separator: ", ")
  private static let defaultMinutes = 30.0

  private enum Default {
    static let seed = UInt64(1)
    static let users = 40
    static let rate = 400
    static let rawSenders = 12
    static let rawRate = 300
    static let gateways = 2
    static let messaging = 2
  }

  @Option(
    help: "How long to go on, in minutes (default: \(Int(Self.defaultMinutes))).",
    transform: ArgumentRules.minutes)
  var minutes: Double?

  @Option(
    help: """
      How often to do each fault, instead of --minutes. Up to \(FaultLimits.furtherRounds) more rounds \
      follow where too little was rejected for the moment.
      """,
    transform: ArgumentRules.wholeNumber(1...Int.max))
  var rounds: Int?

  @Option(
    help: """
      The seed of the plan: the same gives the same faults in the same order \
      (default: \(Default.seed)).
      """,
    transform: ArgumentRules.seed)
  var seed: UInt64 = Default.seed

  @Option(
    help: "Users; an even number (default: \(Default.users)).",
    transform: ArgumentRules.evenNumber(2...BenchLimits.connections))
  var users = Default.users

  @Option(
    help: "Messages per second, of all users together (default: \(Default.rate)).",
    transform: ArgumentRules.wholeNumber(1...BenchLimits.messagesPerSecond))
  var rate = Default.rate

  @Option(
    help: """
      Raw senders: further users, at most as many as --users, who wait for no answer \
      (default: \(Default.rawSenders)).
      """,
    transform: ArgumentRules.wholeNumber(0...BenchLimits.connections))
  var rawSenders = Default.rawSenders

  @Option(
    help: "Messages per second, of all raw senders together (default: \(Default.rawRate)).",
    transform: ArgumentRules.wholeNumber(1...BenchLimits.messagesPerSecond))
  var rawRate = Default.rawRate

  @Option(
    help: "Gateways at a time (default: \(Default.gateways)).",
    transform: ArgumentRules.wholeNumber(1...16))
  var gateways = Default.gateways

  @Option(
    help: "Messaging instances at a time (default: \(Default.messaging)).",
    transform: ArgumentRules.wholeNumber(1...16))
  var messaging = Default.messaging

  @OptionGroup var redis: BenchRedisOptions

  @Option(
    help: ArgumentHelp(
      """
      Only these faults, separated by commas, of \(Self.all) (default: all that the Redis can \
      have, but for damage-replies).
      """,
      valueName: "kinds"))
  var faults: String?

  @Option(help: "A directory for the logs of the services (default: none).")
  var logs: String?

  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  func run() async throws {
    try await self.exiting {
      let run = try self.plan()
      if let logs = self.logs {
        try? FileManager.default.createDirectory(atPath: logs, withIntermediateDirectories: true)
      }
      let screen = ProgressScreen(shownEvery: FaultLimits.shownStatusEvery)
      let report = try await BenchStand.starting {
        try await run.run { progress in
          switch progress {
          case .event(let text): screen.event(text)
          case .status(let text): screen.status(text)
          }
        }
      }
      screen.end()
      try report.print(asJSON: self.json)
      guard report.keepsPromises else {
        throw Failure(.running, "the deployment did not keep its promises: see above")
      }
      guard report.saysEnough else {
        throw Failure(
          .running,
          "only \(report.postponedOpenLoop) sends of raw senders were rejected for the moment: with "
            + "fewer than \(report.requiredRejections) the run says nothing about order; raise --raw-rate"
        )
      }
    }
  }

  func plan() throws(Failure) -> FaultRun {
    var run = FaultRun(try self.deployment(), faults: try self.kinds())
    run.chatters = Chatters.Options(users: self.users, rate: self.rate)
    run.chatters.rawSenders = self.rawSenders
    run.chatters.rawRate = self.rawRate
    run.seed = self.seed
    if let rounds = self.rounds {
      run.rounds = rounds
    } else {
      run.time = .seconds((self.minutes ?? Self.defaultMinutes) * 60)
    }
    return run
  }

  private func deployment() throws(Failure) -> Deployment.Options {
    guard self.minutes == nil || self.rounds == nil else {
      throw Failure.usage("--minutes and --rounds: name one of them")
    }
    guard self.rawSenders <= self.users else {
      throw Failure.usage(
        "--raw-senders: '\(self.rawSenders)' is more than --users, \(self.users); give fewer")
    }
    var options = try self.redis.deployment(gateways: self.gateways)
    options.messaging = self.messaging
    options.persistence = .appendOnly(fsync: .always)
    options.gatewayArguments = ["--ping-seconds", "5", "--drain-seconds", "5"]
    options.logDirectory = self.logs
    return options
  }

  private func kinds() throws(Failure) -> [FaultKind] {
    guard let faults = self.faults else {
      return FaultKind.all(for: self.redis.redis, registry: self.redis.registry)
    }
    var kinds: [FaultKind] = []
    for name in faults.split(separator: ",").map(String.init) {
      guard let kind = FaultKind(rawValue: name) else {
        throw Failure.usage("--faults: '\(name)' is not one of \(Self.all)")
      }
      guard kind.applies(to: self.redis.redis, registry: self.redis.registry) else {
        throw Failure.usage(
          "--faults: \(name) cannot be done to --redis \(self.redis.redis.rawValue)"
            + (self.redis.registry.map { " --registry \($0.rawValue)" } ?? " without --registry"))
      }
      if !kinds.contains(kind) { kinds.append(kind) }
    }
    guard !kinds.isEmpty else { throw Failure.usage("--faults: name at least one") }
    return kinds
  }
}
