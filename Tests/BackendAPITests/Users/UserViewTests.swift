import ConnectProtocol
import ConnectTestStand
import MessageBus
import TestSupport
import Testing

@testable import BackendAPI

@Suite("A user that a backend looks at", .timeLimit(.minutes(20)))
struct UserViewTests {
  @Test("is shown: where connected, how far behind, and how much is kept")
  func shown() async throws {
    try await TestStand.withAPI(TestStand.Options(gateways: 2)) { stand, api in
      let user = "b@b+1"
      let phone = try await stand.online(user, device: "phone", gateway: 1)
      var offsets: [Offset] = []
      for number in 0..<5 {
        offsets.append(try await api.ask(message("m\(number)", to: user)).offset())
      }
      for _ in 0..<5 { try await phone.expectMessage() }
      phone.ack(offsets[1])
      try await eventually("the cursor is stored") {
        try await stand.cursor(user, device: "phone") == offsets[1]
      }
      let answer = try await api.ask(.show("b%40b+1"))
      #expect(answer.status == 200)
      let json = try answer.json()
      #expect(json["user"] as? String == user)
      #expect(json["truncated"] as? Bool == false)
      let sessions = try #require(json["sessions"] as? [[String: Any]])
      #expect(sessions.count == 1)
      #expect(sessions.first?["device"] as? String == "phone")
      #expect(sessions.first?["gateway"] as? String == "g2")
      #expect(sessions.first?["alive"] as? Bool == true)
      let cursors = try #require(json["cursors"] as? [[String: Any]])
      #expect(cursors.count == 1)
      #expect(cursors.first?["acked"] as? String == "\(offsets[1])")
      #expect(cursors.first?["lag"] as? Int == 3)
      #expect(cursors.first?["lagIsMore"] as? Bool == false)
      #expect(cursors.first?["lastSeen"] as? Int != nil)
      let mailbox = try #require(json["mailbox"] as? [String: Any])
      #expect(mailbox["entries"] as? Int == 5)
      #expect(mailbox["oldest"] as? String == "\(offsets[0])")
      #expect(mailbox["newest"] as? String == "\(offsets[4])")
      #expect(mailbox["removed"] == nil)

      let head = try await api.ask(HTTPTestRequest("HEAD", "/v1/users/b%40b+1"))
      #expect(head.status == 200)
      #expect(head["content-length"].flatMap { Int($0) } != 0)
    }
  }

  @Test("is shown with the conversations' positions, and the floor of those that are gone")
  func positions() async throws {
    try await TestStand.withAPI { stand, api in
      let key = "\(stand.keys.positions(UserName("bob")!))"
      try await stand.redis(
        "HSET", key, "!top", "8", "alice", "1-0 0-0 0-0 7", "carol", "0-0 0-0 2-0 8")
      let before = try await api.ask(.show("bob")).json()
      #expect(before["floor"] == nil)
      try await stand.redis("HSET", key, "!floor", "2-3")
      let json = try await api.ask(.show("bob")).json()
      #expect(json["floor"] as? String == "2-3")
      let positions = try #require(json["positions"] as? [[String: Any]])
      #expect(positions.map { $0["peer"] as? String } == ["carol", "alice"])
      #expect(positions.first?["mine"] as? String == "2-0")
      #expect(positions.last?["delivered"] as? String == "1-0")
      #expect(positions.last?["stamp"] as? Int == 7)
    }
  }

  @Test("is unknown where nothing is kept")
  func unknown() async throws {
    try await TestStand.withAPI { (_, api) async throws in
      #expect(try await api.ask(.show("nobody")).code() == "unknown_user")
      #expect(try await api.ask(.erase("nobody")).status == 204)
      #expect(try await api.ask(.show("nobody")).code() == "unknown_user")
      #expect(try await api.ask(.disconnect("nobody")).body == "{\"connections\":0}\n")
    }
  }

  @Test("is shown to many at once, each in its turn")
  func many() async throws {
    try await TestStand.withAPI { _, api in
      _ = try await api.ask(message("m-1"))
      try await eventually("the message is stored") {
        try await api.ask(.show("bob")).status == 200
      }
      let statuses = try await withThrowingTaskGroup(of: Int.self) { tasks in
        for _ in 0..<64 { tasks.addTask { try await api.ask(.show("bob")).status } }
        return try await tasks.reduce(into: []) { $0.append($1) }
      }
      #expect(statuses == Array(repeating: 200, count: 64))
    }
  }

  @Test("is something that the operator must look after, where a key is of another type")
  func wrongType() async throws {
    try await TestStand.withAPI { stand, api in
      try await stand.redis("SET", "\(stand.keys.mailbox(UserName("bob")!))", "1")
      #expect(try await api.ask(.show("bob")).code() == "failed")
      #expect(try await api.ask(.erase("bob")).code() == "failed")
    }
  }

  @Test("is shown to so many that wait at most; others are told to come back")
  func overloaded() async throws {
    var options = TestStand.Options(gateways: 0)
    options.clients = { PatientClients($0) }
    try await TestStand.withAPI(options) { stand, api in
      let most = BackendAPILimits.concurrentUsers + BackendAPILimits.waitingUsers
      stand.server.pause()
      let codes = try await withThrowingTaskGroup(of: HTTPAnswer.self) { tasks in
        for _ in 0..<most + 3 { tasks.addTask { try await api.ask(.show("bob")) } }
        var codes: [String] = []
        while let answer = try await tasks.next() {
          codes.append(try answer.code())
          if codes.count == 3 { stand.server.resume() }
          if codes.count <= 3 { #expect(answer["retry-after"] != nil) }
        }
        return codes
      }
      #expect(
        codes
          == Array(repeating: "overloaded", count: 3)
          + Array(repeating: "unknown_user", count: most))
    }
  }
}
