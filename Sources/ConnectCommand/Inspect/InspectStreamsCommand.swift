import ArgumentParser
import Inspection
import MessageBus
import Redis
import Settings

struct InspectStreamsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "streams",
    abstract: "Streams with length and groups: lag, pending, oldest unfinished entry.",
    discussion: """
      LAG is yet to be read, PENDING is read and not finished, OLDEST is the age of the oldest of \
      both. Groups that are not Connect's own are marked as foreign: they hold back trimming.
      """)

  @OptionGroup var options: InspectOptions

  func run() async throws {
    try await self.exiting {
      try await self.options.show { (inspector) throws(RedisError) in
        try await inspector.streams()
      } text: {
        $0.text(width: $1)
      }
    }
  }
}

extension StreamsReport {
  func text(width: Int?) -> String {
    var table = TextTable([
      ("STREAM", .left), ("LENGTH", .right), ("LAG", .right), ("PENDING", .right),
      ("OLDEST", .right), ("GROUP", .left),
    ])
    for report in self.incoming + self.outgoing + [self.deadLetters] {
      let isGone = !report.exists
      if report.groups.isEmpty {
        table.add(
          report.stream, "\(report.length)", Quantity.none, Quantity.none, Quantity.none,
          isGone ? "(no such stream)" : "(no group)")
      }
      for (index, group) in report.groups.enumerated() {
        table.add(
          index == 0 ? report.stream : "", index == 0 ? "\(report.length)" : "",
          group.lag.map { "\($0)" } ?? "?", "\(group.pending)",
          Quantity.span(milliseconds: group.oldestUnfinishedAgeMilliseconds),
          group.name + (group.isForeign ? " (foreign)" : ""))
      }
    }
    return table.text(width: width)
  }
}
