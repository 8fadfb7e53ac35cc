import ConnectProtocol
import ConnectTestStand
import MessageBus
import Messaging
import Redis
import TestSupport

/// Entries of the bus written by hand, byte for byte as `Envelope` documents them.
enum ByHand {
  /// Messages that a client has sent before.
  static let retry: UInt8 = 1 << 2

  /// An envelope. All lengths are below 128, so that it is also a String.
  static func envelope(
    _ id: String, from: String = "alice", to: String = "bob", body: String = "1", flags: UInt8 = 0,
    version: UInt8 = 1, kind: UInt8 = 1
  ) -> String {
    let lengths = [from, to, id].map { UInt8($0.utf8.count) }
    let header = [version, kind, flags] + lengths
    return String(decoding: header, as: UTF8.self) + from + to + id + body
  }
}

/// An entry of a mailbox, as far as tests look at it.
struct MailboxEntry: Hashable {
  let offset: Offset
  let from: String
  let id: String
  let body: String
  let at: UInt64
  let isRelocated: Bool
}

extension TestStand {
  /// Puts an entry on the bus.
  @discardableResult
  func publish(
    _ id: String, from: String = "alice", to: String = "bob", flags: UInt8 = 0
  ) async throws -> Offset {
    let answer = try await self.redis(
      "XADD", "\(self.incoming(to))", "*", "m",
      ByHand.envelope(id, from: from, to: to, flags: flags))
    guard let offset = answer.string.flatMap({ Offset($0) }) else {
      throw TestFailure("XADD answered \(answer)")
    }
    return offset
  }

  /// All that is in a mailbox, as its owner will see it.
  func messages(of user: String = "bob") async throws -> [MailboxEntry] {
    let mailbox = self.keys.mailbox(UserName(user)!)
    let entries = try await self.redis.client.value {
      $0.entries(of: mailbox, after: .zero, maximum: 1_000_000)
    }
    return entries.map(Mailbox.Entry.init).compactMap { entry in
      guard let envelope = entry.envelope else { return nil }
      return envelope.bytes.withUnsafeBytes { raw in
        MailboxEntry(
          offset: entry.offset, from: String(decoding: envelope.from(in: raw), as: UTF8.self),
          id: String(decoding: envelope.id(in: raw), as: UTF8.self),
          body: String(decoding: envelope.body(in: raw), as: UTF8.self),
          at: entry.sentAtMilliseconds, isRelocated: envelope.flags.contains(.relocated))
      }
    }
  }

  /// Waits until all that is on the bus for a user has been processed and acknowledged.
  func waitUntilProcessed(_ user: String = "bob") async throws {
    let incoming = "\(try self.incoming(user))"
    try await eventually("all of \(incoming) is processed") {
      guard let stream = try? await self.redis("XINFO", "STREAM", incoming),
        let groups = try? await self.redis("XINFO", "GROUPS", incoming),
        let group = groups.array.first(where: { group in
          let name = group["name"]?.string ?? ""
          return name.hasPrefix("messaging:") && name.hasSuffix(":finished")
        })
      else { return false }
      return group["last-delivered-id"] == stream["last-generated-id"]
    }
  }

  /// The instance that owns each partition; nil where none does.
  func owners() async throws -> [String?] {
    var owners: [String?] = []
    for partition in self.keys.partitions.all {
      let lease = try await self.redis("GET", "\(self.keys.lease(partition))").string
      owners.append(lease.flatMap { LeaseToken($0) }?.instance.text)
    }
    return owners
  }

  /// Waits until an instance owns every partition.
  func waitUntilOwner(_ name: String) async throws {
    try await eventually("\(name) owns everything") {
      try await self.owners().allSatisfy { $0 == name }
    }
  }

  /// Destroys every group on a user's partition.
  func destroyGroups(_ user: String = "bob") async throws {
    let incoming = "\(try self.incoming(user))"
    for group in try await self.redis("XINFO", "GROUPS", incoming).array {
      try await self.redis("XGROUP", "DESTROY", incoming, group["name"]?.string ?? "")
    }
  }

  /// Everything that was on the bus for a user at the time of ``keepBus(_:)`` comes again.
  func repeatBus(_ user: String = "bob") async throws {
    try await self.redis("RENAME", "kept:\(self.incoming(user))", "\(self.incoming(user))")
  }

  /// Keeps a copy of what is on the bus for a user.
  func keepBus(_ user: String = "bob") async throws {
    let answer = try await self.redis(
      "COPY", "\(self.incoming(user))", "kept:\(self.incoming(user))")
    guard answer == .integer(1) else { throw TestFailure("COPY answered \(answer)") }
  }

  /// A stand on which messaging does not run yet.
  static func withoutMessaging(
    _ body: (TestStand) async throws -> Void
  ) async throws {
    var options = Options(gateways: 0)
    options.hasMessaging = false
    try await self.with(options, body)
  }
}
