import BusTestSupport
import ConnectProtocol
import ConnectTestStand
import MessageBus
import Redis
import TestSupport

extension TestSocket {
  /// Sends a request; `fields` is JSON with a comma before each field.
  func ask(_ type: String, _ fields: String = "") {
    self.sendText(#"{"type":"\#(type)"\#(fields)}"#)
  }

  func expectConversations() async throws -> ServerFrame.Conversations {
    let frame = try await self.expectFrame(type: "conversations")
    guard case .conversations(let answer) = frame.frame else {
      throw TestFailure("not a list: \(frame.text)")
    }
    return answer
  }

  func expectHistory() async throws -> (answer: ServerFrame.History, text: String) {
    let frame = try await self.expectFrame(type: "history")
    guard case .history(let answer) = frame.frame else {
      throw TestFailure("not history: \(frame.text)")
    }
    return (answer, frame.text)
  }
}

extension TestStand {
  /// Puts entries into a mailbox as messaging does, oldest first, and returns their offsets.
  @discardableResult
  func store(_ drafts: [Envelope.Draft], for user: String) async throws -> [Offset] {
    let mailbox = self.keys.mailbox(UserName(user)!)
    var batch = RedisBatch()
    let places = drafts.map { draft in
      batch.addEntry(to: mailbox, count: draft.byteCount) { draft.write(to: $0) }
    }
    let replies = await self.redis.client.execute(batch)
    return try places.map { try replies[$0] }
  }

  /// Removes the oldest entries of a mailbox as retention does.
  func trim(_ user: String, to count: Int) async throws {
    let entries = try await self.mailbox(user)
    let last = entries[entries.count - count - 1].id
    try await self.redis("HSET", "\(self.keys.cursor(UserName(user)!))", "!removed", last)
    try await self.redis(
      "XTRIM", "\(self.keys.mailbox(UserName(user)!))", "MAXLEN", "\(count)")
  }
}
