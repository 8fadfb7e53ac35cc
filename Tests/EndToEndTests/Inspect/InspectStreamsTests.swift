import Foundation
import LocalRedis
import Testing

@Suite("connect inspect streams")
struct InspectStreamsTests {
  private struct Streams: Decodable {
    struct Group: Decodable {
      let name: String
      let isForeign: Bool
      let pending: Int
      let lag: Int?
      let oldestUnfinished: String?
      let oldestUnfinishedAgeMilliseconds: Int?
    }
    struct Stream: Decodable {
      let stream: String
      let exists: Bool
      let length: Int
      let groups: [Group]
    }
    let incoming: [Stream]
    let outgoing: [Stream]
    let deadLetters: Stream
  }

  @Test("shows lag, pending and age of every group, foreign ones too")
  func streams() async throws {
    try await Inspection.withRedis { server in
      for number in 1...5 {
        try await server.command("XADD", Inspection.incoming, "\(number)-0", "m", "x")
      }
      for group in ["messaging:m1:n1:reading", "messaging:m1:n1:finished"] {
        try await server.command("XGROUP", "CREATE", Inspection.incoming, group, "0")
      }
      for group in ["app:reading", "app:finished"] {
        try await server.command("XGROUP", "CREATE", Inspection.incoming, group, "5-0")
      }
      try await server.command("XGROUP", "CREATE", Inspection.incoming, "archive", "1-0")
      try await server.command(
        "XREADGROUP", "GROUP", "messaging:m1:n1:reading", "c", "COUNT", "3", "NOACK", "STREAMS",
        Inspection.incoming, ">")
      try await server.command(
        "XGROUP", "SETID", Inspection.incoming, "messaging:m1:n1:finished", "1-0")
      try await server.command("SADD", "connect:gateways", "g1", "g2")
      try await server.command(
        "XGROUP", "CREATE", "connect:outgoing:{g1}", "gateway:n", "0", "MKSTREAM")

      let report = try await Inspection.of("streams", "--json", redis: server.url)
        .json(Streams.self)
      #expect(report.incoming.count == Inspection.partitions)
      let first = try #require(report.incoming.first)
      #expect(first.stream == Inspection.incoming)
      #expect(first.length == 5)
      #expect(
        first.groups.map(\.name)
          == ["app:finished", "app:reading", "archive", "messaging:m1:n1:reading"])
      let ours = try #require(first.groups.first { $0.name == "messaging:m1:n1:reading" })
      #expect(!ours.isForeign)
      #expect(ours.pending == 2)
      #expect(ours.lag == 2)
      #expect(ours.oldestUnfinished == "2-0")
      #expect(try #require(ours.oldestUnfinishedAgeMilliseconds) > 1_000_000_000)
      let archive = try #require(first.groups.first { $0.name == "archive" })
      #expect(archive.isForeign)
      #expect(archive.pending == 0)
      #expect(archive.oldestUnfinished == "2-0")
      #expect(report.incoming[1].exists == false)
      #expect(report.outgoing.map(\.exists) == [true, false])
      #expect(report.outgoing[0].groups.map(\.isForeign) == [false])
      #expect(report.deadLetters.length == 0)

      let table = try await Inspection.of("streams", redis: server.url)
      #expect(table.code == 0)
      #expect(table.lines[0].split(separator: " ").map(String.init).first == "STREAM")
      let archiveLine = try #require(table.lines.first { $0.contains("archive (foreign)") })
      let oursLine = try #require(table.lines.first { $0.contains("messaging:m1:n1") })
      // Aligned: the group stands in the same column of each row.
      #expect(
        archiveLine.range(of: "archive")?.lowerBound == oursLine.range(of: "messaging:")?.lowerBound
      )
    }
  }
}
