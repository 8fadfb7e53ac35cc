import ArgumentParser
import ConnectProtocol
import Inspection
import MessageBus
import Redis
import Settings

struct InspectUserCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "user",
    abstract: "One user: sessions, how far devices and conversations have got, and the mailbox.",
    discussion: "Exits with 1 if nothing is known of the user.")

  @Argument(help: "The user.", transform: ArgumentRules.user)
  var user: UserName

  @OptionGroup var options: InspectOptions

  func run() async throws {
    try await self.exiting {
      var isUnknown = false
      try await self.options.inspect { (inspector) throws(RedisError) in
        let report = try await inspector.user(self.user)
        isUnknown = report.isUnknown
        guard !isUnknown || self.options.json else { return }
        self.options.print(report) { $0.text(width: $1) }
      }
      if isUnknown {
        throw Failure(
          .running,
          "nothing is known of \(self.user): no session, no device, no mailbox; check the name, "
            + "whose case matters, and --key-prefix")
      }
    }
  }
}

extension UserReport {
  func text(width: Int?) -> String {
    self.sessionsText(width) + "\n" + self.cursorsText(width) + "\n"
      + self.positionsText(width) + "\n" + self.mailboxText
  }

  private func sessionsText(_ width: Int?) -> String {
    guard !self.sessions.isEmpty else { return "not connected\n" }
    var table = TextTable([
      ("CONNECTED", .left), ("GATEWAY", .left), ("ALIVE", .left), ("CONNECTION", .left),
    ])
    for session in self.sessions {
      table.add(
        session.device, session.gateway, session.isGatewayAlive ? "yes" : "no",
        session.connection)
    }
    return table.text(width: width)
  }

  private func cursorsText(_ width: Int?) -> String {
    guard !self.cursors.isEmpty else { return "no device is known\n" }
    var table = TextTable([
      ("DEVICE", .left), ("BEHIND", .right), ("SEEN", .right), ("ACKED", .left),
    ])
    for cursor in self.cursors {
      let seen = cursor.lastSeenSeconds.map { UInt64(Quantity.milliseconds(seconds: $0)) }
      table.add(
        cursor.device, (cursor.isBehindMore ? ">" : "") + "\(cursor.behind)",
        Quantity.age(of: seen, at: self.atMilliseconds), "\(cursor.acked)")
    }
    return table.text(width: width)
  }

  private func positionsText(_ width: Int?) -> String {
    guard !self.positions.isEmpty else { return "no conversation has a position\n" }
    var table = TextTable([
      ("PEER", .left), ("DELIVERED", .left), ("READ", .left), ("MINE", .left), ("MOVED", .right),
    ])
    func text(_ offset: Offset?) -> String { offset.map { "\($0)" } ?? "-" }
    for position in self.positions {
      table.add(
        position.peer, text(position.delivered), text(position.read), text(position.mine),
        Quantity.age(of: position.stamp, at: self.atMilliseconds))
    }
    return table.text(width: width)
  }

  private var mailboxText: String {
    let length = self.mailbox.length
    var lines = [
      "mailbox     \(self.mailbox.stream), \(length) \(length == 1 ? "entry" : "entries")",
      "partition   \(self.partition), \(self.incoming)",
    ]
    func add(_ name: String, _ offset: Offset?) {
      guard let offset else { return }
      let age = Quantity.age(of: offset.milliseconds, at: self.atMilliseconds)
      lines.append("\(name)  \(offset), \(age) ago")
    }
    add("oldest    ", self.mailbox.oldest)
    add("newest    ", self.mailbox.newest)
    add("removed to", self.mailbox.removed)
    add("read to   ", self.floor)
    if let milliseconds = self.mailbox.expiresMilliseconds {
      lines.append("expires     in \(Quantity.span(milliseconds: milliseconds)) if nothing comes")
    }
    return lines.map { $0 + "\n" }.joined()
  }
}
