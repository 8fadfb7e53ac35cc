import ConnectProtocol
import ConnectTestStand
import MessageBus
import NIOConcurrencyHelpers
import Redis
import TestSupport
import Testing

@testable import BackendAPI

@Suite("A user that a backend erases", .timeLimit(.minutes(20)))
struct UserErasureTests {
  @Test("is erased: closed with 4001, and nothing is replayed but that something is missing")
  func erased() async throws {
    try await TestStand.withAPI(TestStand.Options(gateways: 2)) { stand, api in
      let phone = try await stand.online("bob", device: "phone", gateway: 0)
      let laptop = try await stand.online("bob", device: "laptop", gateway: 1)
      let alice = try await stand.online("alice", gateway: 1)
      var last = Offset.zero
      for number in 0..<20 { last = try await api.ask(message("m\(number)")).offset() }
      for socket in [phone, laptop] {
        for _ in 0..<20 { try await socket.expectMessage() }
        socket.ack(last)
      }
      // Its cursor would be stored with the end of the connection, within a second anyway.
      #expect(try await api.ask(.erase("bob")).status == 204)
      for socket in [phone, laptop] {
        _ = try await socket.expectFrame(type: "goodbye")
        try await socket.expectClose(4001)
      }
      try await alice.expectOpen()
      try await Task.sleep(for: .milliseconds(1_500))
      let fields = try await stand.redis("HGETALL", "\(stand.keys.cursor(UserName("bob")!))")
      #expect(fields.array == [.string("!removed"), .string("\(last)")])
      #expect(try await stand.session("bob", device: "phone") == nil)
      let view = try await api.ask(.show("bob")).json()
      #expect((view["mailbox"] as? [String: Any])?["entries"] as? Int == 0)
      #expect((view["mailbox"] as? [String: Any])?["removed"] as? String == "\(last)")
      #expect((view["cursors"] as? [Any])?.isEmpty == true)

      let again = try await stand.connect("bob", device: "phone", gateway: 1)
      #expect(try await again.expectWelcome().gap)
      try await again.expectLive()
      let offset = try await api.ask(message("m-new")).offset()
      #expect(offset > last)
      #expect(try await again.expectMessage().id == "m-new")
      try await again.expectOpen()
    }
  }

  @Test("is erased for good: positions under way move the cursor of no device that has left")
  func positionsUnderWay() async throws {
    var options = TestStand.clusterOptions()
    options.clients = { PatientClients($0) }
    try await TestStand.withAPI(options) { stand, api in
      // Bob's positions go to another node than what the gateway is told.
      let (name, node) = try await stand.user(apartFrom: [
        stand.keys.outgoing(stand.gateways[0].id)
      ])
      let alice = try await stand.online(name)
      let bob = try await stand.online("bob")
      alice.sendMessage("m1", to: "bob", also: #","receipt":true"#)
      try await alice.expectAccepted("m1")
      let offset = try await bob.expectMessage().offset

      node.pause()
      bob.ack(offset)
      bob.sendClose(1000)
      try await bob.expectClose(1000)
      let erased = try await api.ask(.erase("bob")).status
      node.resume()
      #expect(erased == 204)
      _ = try await alice.expectPosition()
      try await Task.sleep(for: .milliseconds(500))
      let fields = try await stand.redis("HGETALL", "\(stand.keys.cursor(UserName("bob")!))")
      #expect(fields.array == [.string("!removed"), .string("\(offset)")])
      #expect(try await stand.session("bob") == nil)
    }
  }

  @Test("is erased for good: what the bus repeats does not come back, what is new comes once")
  func repeats() async throws {
    var options = TestStand.Options(gateways: 1)
    options.hasMessaging = false
    try await TestStand.withAPI(options) { stand, api in
      for number in 0..<30 { _ = try await api.ask(message("m\(number)")) }
      let incoming = "\(try stand.incoming("bob"))"
      try await stand.redis("COPY", incoming, "kept:\(incoming)")
      try await stand.startMessaging()
      try await eventually("all is stored") { try await stand.mailbox("bob").count == 30 }
      #expect(try await api.ask(.erase("bob")).status == 204)
      for _ in 0..<2 {
        try await self.repeatUnfinished("kept:\(incoming)", as: incoming, on: stand)
        // Behind the repeats on the same partition.
        _ = try await api.ask(message("after"))
        try await eventually("all is processed") {
          guard try await stand.redis.length(of: stand.incoming("bob")) == 0 else { return false }
          return try await !stand.mailbox("bob").isEmpty
        }
        #expect(try await stand.mailbox("bob").count == 1)
      }
      let bob = try await stand.connect("bob")
      #expect(try await bob.expectWelcome().gap)
      #expect(try await bob.expectMessage().id == "after")
      try await bob.expectLive()
      // Erased again: nothing is left, and nobody else is touched.
      _ = try await api.ask(message("carols", to: "carol"))
      #expect(try await api.ask(.erase("bob")).status == 204)
      #expect(try await api.ask(.erase("bob")).status == 204)
      #expect(try await stand.mailbox("bob").isEmpty)
      try await eventually("carol's is stored") { try await stand.mailbox("carol").count == 1 }
    }
  }

  /// Has a copy of a partition come again, as read and not finished by an instance that died.
  private func repeatUnfinished(
    _ kept: String, as incoming: String, on stand: TestStand
  ) async throws {
    let again = "again:\(incoming)"
    let group = "messaging:dead:1"
    try await stand.redis("COPY", kept, again)
    try await stand.redis("XGROUP", "CREATE", again, group, "0")
    var batch = RedisBatch()
    batch.append(key: RedisKey(again), "XREADGROUP", "GROUP", group, "c", "STREAMS", again, ">")
    batch.append(key: RedisKey(again), "RENAME", again, incoming)
    try await stand.redis.client.execute(batch).check()
  }

  @Test("is erased only a few at a time, and nobody is shown later for it")
  func erasuresAside() async throws {
    try await TestStand.withAPI(TestStand.Options(gateways: 1)) { stand, api in
      // Enough for half a minute: four are erased at a time, for two seconds.
      let users = (0..<60).map { "u\($0)" }
      // The gateway has no such connection to end, so that each erasure waits for as long as it may.
      for user in users {
        try await stand.redis("HSET", "\(stand.keys.session(UserName(user)!))", "phone", "g1/none")
      }
      let erased = NIOLockedValueBox(0)
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        for user in users {
          tasks.addTask {
            let answer = try await api.ask(.erase(user))
            #expect(answer.status == 204)
            erased.withLockedValue { $0 += 1 }
          }
        }
        let outgoing = "\(stand.keys.outgoing(stand.gateways[0].id))"
        try await eventually("some erasures wait for the gateway") {
          let information = try await stand.redis("XINFO", "STREAM", outgoing).array
          let place = information.firstIndex(of: .string("entries-added"))
          return place.flatMap { information[$0 + 1].integer } ?? 0
            >= BackendAPILimits.concurrentErasures
        }
        #expect(try await api.ask(.show("nobody")).code() == "unknown_user")
        #expect(try await api.ask(.disconnect("nobody")).status == 202)
        // With the turns of all others, it would have been most of them first.
        #expect(erased.withLockedValue { $0 } < users.count / 2)
        for user in users { try await stand.redis("DEL", "\(stand.keys.session(UserName(user)!))") }
        try await tasks.waitForAll()
      }
    }
  }

  @Test("is shown while replicas are waited for to have another's erasure")
  func erasureOfReplicas() async throws {
    var options = TestStand.Options(gateways: 0)
    options.redis = .plain
    try await TestStand.with(options) { stand in
      // There is none: each erasure waits for a second, one behind the other.
      let api = try await stand.startAPI { $0.durability = .replicated(1) }
      // On a busy machine all of a round may have ended by the answer.
      var round = 0
      try await eventually("a user is shown before any erasure of a round has ended") {
        round += 1
        return try await self.endedBeforeView(of: "r\(round)", by: api, on: stand) == 0
      }
    }
  }

  /// Erases as many users as may be at a time, and shows another one as soon as an erasure waits.
  ///
  /// - Returns: how many erasures had ended when that one was shown.
  private func endedBeforeView(
    of round: String, by api: TestStand.RunningAPI, on stand: TestStand
  ) async throws -> Int {
    let ended = NIOLockedValueBox(0)
    return try await withThrowingTaskGroup(of: Void.self) { tasks in
      for number in 0..<BackendAPILimits.concurrentErasures {
        tasks.addTask {
          let code = try await api.ask(.erase("\(round).\(number)")).code()
          #expect(code == "unavailable")
          ended.withLockedValue { $0 += 1 }
        }
      }
      let node = try #require(stand.server.nodes.first)
      try await eventually("an erasure waits") {
        try await node.command("CLIENT", "LIST").string?.contains("cmd=wait") == true
      }
      #expect(try await api.ask(.show("nobody")).code() == "unknown_user")
      let count = ended.withLockedValue { $0 }
      try await tasks.waitForAll()
      return count
    }
  }

  @Test("is erased while messages come, and what remains is in order")
  func whileMessagesCome() async throws {
    try await TestStand.withAPI { stand, api in
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask {
          let connection = try await api.connect()
          for number in 0..<300 { _ = try await connection.ask(message("m\(number)")).offset() }
        }
        tasks.addTask {
          for _ in 0..<10 {
            let answer = try await api.ask(.erase("bob"))
            #expect(answer.status == 204)
          }
        }
        try await tasks.waitForAll()
      }
      _ = try await api.ask(message("m300")).offset()
      try await eventually("all is processed") {
        try await stand.redis.length(of: stand.incoming("bob")) == 0
      }
      let left = try await stand.mailbox("bob")
      let numbers = left.compactMap { entry in
        entry.fields["m"].flatMap { Int($0.dropFirst(6 + "alicebobm".count).dropLast()) }
      }
      #expect(numbers.count == left.count, "\(left)")
      #expect(numbers.last == 300)
      #expect(numbers == numbers.sorted())
      #expect(Set(numbers).count == numbers.count)
    }
  }
}
