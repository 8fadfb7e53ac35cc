import ConnectBench
import Foundation
import LocalRedis
import TestSupport

/// The output of `connect inspect`.
struct Inspection {
  let code: Int32
  let lines: [String]
  let errors: [String]

  var text: String { self.lines.joined(separator: "\n") }

  func json<Report: Decodable>(_ type: Report.Type) throws -> Report {
    try JSONDecoder().decode(Report.self, from: Data(self.text.utf8))
  }

  static let partitions = 2
  /// bob's messages come through the first of two partitions.
  static let incoming = "connect:incoming:{p0.1}"

  /// An envelope as it lies in Redis; only bytes that are UTF-8 too.
  static func envelope(id: String, body: String, flags: String = "\0") -> String {
    "\u{1}\u{1}\(flags)\u{5}\u{3}\u{2}alicebob\(id)\(body)"
  }

  static func of(_ arguments: String..., redis: String) async throws -> Inspection {
    let program = try Program(["inspect"] + arguments + ["--redis-url", redis])
    let code = try await program.exitCode()
    return Inspection(code: code, lines: program.output, errors: program.errors)
  }

  /// Runs a test with a Redis into which it writes what services would have written.
  static func withRedis(_ body: (LocalRedisServer) async throws -> Void) async throws {
    try await RedisFixture.withServer { server in
      try await server.command("SET", "connect:partitions", "\(Self.partitions)")
      try await body(server)
    }
  }
}

extension Inspection {
  struct Partitions: Decodable {
    struct Partition: Decodable {
      let partition: Int
      let owner: String?
      let leaseMilliseconds: Int?
      let backlog: Int
    }
    struct Member: Decodable {
      let instance: String
      let isAlive: Bool
      let partitions: Int
      let fields: [String: String]
    }
    let partitions: [Partition]
    let messaging: [Member]
  }

  struct Gateways: Decodable {
    struct Gateway: Decodable {
      let gateway: String
      let isAlive: Bool
      let length: Int
      let fields: [String: String]
    }
    let gateways: [Gateway]
    let total: Int
  }

  struct User: Decodable {
    struct Session: Decodable {
      let device: String
      let isGatewayAlive: Bool
    }
    struct Cursor: Decodable {
      let device: String
      let acked: String
      let lastSeenSeconds: Int?
      let behind: Int
      let isBehindMore: Bool
    }
    struct Mailbox: Decodable {
      let length: Int
      let oldest: String?
      let newest: String?
      let removed: String?
    }
    let partition: Int
    let incoming: String
    let sessions: [Session]
    let cursors: [Cursor]
    let mailbox: Mailbox
  }
}
