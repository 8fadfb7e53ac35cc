import BackendAPI
import ConnectProtocol
import ConnectTestStand
import LocalRedis
import MessageBus
import NIOConcurrencyHelpers
import TestSupport
import Testing

@Suite("A message of a backend", .timeLimit(.minutes(20)))
struct MessageTests {
  @Test("reaches the recipient byte for byte, under the offset that was answered")
  func arrives() async throws {
    try await TestStand.withAPI(TestStand.Options(gateways: 1)) { stand, api in
      let bob = try await stand.online("bob")
      let body = #"{ "b" : [1.0e+2, "ü\u00fc\/", null,{}] ,"a":-0}"#
      let answer = try await api.ask(message("m-1", body: " \(body) ", also: #","more":[1]"#))
      let offset = try answer.offset()
      #expect(answer.body == #"{"id":"m-1","offset":"\#(offset)"}"# + "\n")
      #expect(answer["connection"] == nil)
      let received = try await bob.expectMessage()
      #expect(received.offset == offset)
      #expect(received.from == "alice")
      #expect(received.id == "m-1")
      #expect(received.body == body)
      #expect(received.at == offset.milliseconds)
    }
  }

  @Test("asks for a receipt where it says so, and its sender gets it")
  func receipt() async throws {
    try await TestStand.withAPI(TestStand.Options(gateways: 1)) { stand, api in
      let alice = try await stand.online("alice")
      let bob = try await stand.online("bob", device: "phone")
      for (id, receipt) in [("m-1", "true"), ("m-2", "false"), ("m-3", "null")] {
        #expect(try await api.ask(message(id, also: #","receipt":\#(receipt)"#)).status == 202)
      }
      var offsets: [Offset] = []
      for _ in 0..<3 { offsets.append(try await bob.expectMessage().offset) }
      bob.ack(offsets[2])
      let position = try await alice.expectPosition()
      #expect(position.peer.text == "bob")
      #expect(position.delivered == offsets[0])
      try await alice.expectOpen()
    }
  }

  @Test("comes once, however often and over however many connections and instances it is sent")
  func idempotent() async throws {
    try await TestStand.withAPI(TestStand.Options(gateways: 1)) { stand, first in
      let second = try await stand.startAPI()
      let bob = try await stand.online("bob")
      #expect(try await first.ask(message("m-1")).status == 202)
      #expect(try await second.ask(message("m-1")).status == 202)
      let statuses = try await withThrowingTaskGroup(of: Int.self) { tasks in
        for number in 0..<24 {
          let api = number.isMultiple(of: 2) ? first : second
          tasks.addTask { try await api.ask(message("m-2", body: "\(number)")).status }
        }
        return try await tasks.reduce(into: []) { $0.append($1) }
      }
      #expect(statuses == Array(repeating: 202, count: 24))
      // The same id of another sender is another message.
      #expect(try await first.ask(message("m-2", from: "carol")).status == 202)
      #expect(try await first.ask(message("end")).status == 202)
      for (from, id) in [("alice", "m-1"), ("alice", "m-2"), ("carol", "m-2"), ("alice", "end")] {
        let received = try await bob.expectMessage()
        #expect(received.from == from)
        #expect(received.id == id)
      }
      try await bob.expectOpen()
      #expect(try await stand.mailbox("bob").count == 4)
    }
  }

  @Test("keeps its place among those of its connection, also where they are sent ahead")
  func order() async throws {
    try await TestStand.withAPI(TestStand.Options(gateways: 1)) { stand, api in
      let bob = try await stand.online("bob")
      let connection = try await api.connect()
      connection.socket.send((0..<200).map { message("m\($0)").text }.joined())
      var last = Offset.zero
      for _ in 0..<200 {
        let offset = try await connection.answer().offset()
        #expect(offset > last)
        last = offset
      }
      for number in 0..<200 { #expect(try await bob.expectMessage().id == "m\(number)") }
    }
  }

  @Test("is refused where it is none, by a code and a sentence that says what is wrong")
  func refused() async throws {
    try await TestStand.withAPI { stand, api in
      let long = String(repeating: "x", count: 129)
      let cases: [(body: String, code: String, says: String)] = [
        ("", "malformed", "unexpected end at byte 0"), ("[]", "malformed", "expected an object"),
        ("{", "malformed", "unexpected end"), (#"{"from":"a"} x"#, "malformed", "nothing more"),
        ("{}", "malformed", "`from` is missing"),
        (
          #"{"from":1,"to":"b","id":"m","body":1}"#, "malformed",
          "`from` at byte 8 must be a string"
        ),
        (#"{"from":"a b","to":"b","id":"m","body":1}"#, "invalid_sender", "`from` at byte 8"),
        (
          #"{"from":"a","to":"\#(long)","id":"m","body":1}"#, "invalid_recipient", "`to` at byte 17"
        ),
        (#"{"from":"a","to":"b","id":"","body":1}"#, "invalid_id", "`id` at byte 26"),
        (#"{"from":"a","to":"b","id":"m"}"#, "malformed", "`body` is missing"),
        (#"{"from":"a","to":"b","id":"m","body":01}"#, "malformed", "at byte 38"),
        (
          #"{"from":"a","to":"b","id":"m","body":1,"receipt":1}"#, "malformed",
          "`receipt` at byte 49 must be true or false"
        ),
      ]
      let connection = try await api.connect()
      for (body, code, says) in cases {
        let answer = try await connection.ask(HTTPTestRequest("POST", "/v1/messages", body: body))
        #expect(answer.status == 400)
        #expect(try answer.code() == code, "\(body)")
        #expect(answer.body.contains(says), "\(body): \(answer.body)")
      }
      let bytes = Array(message("m").head.utf8).dropLast(0)
      connection.socket.sendRaw(bytes)
      var broken = Array(message("m").body!.utf8)
      broken[broken.count - 2] = 0xff
      connection.socket.sendRaw(broken)
      #expect(try await connection.answer().body.contains("not UTF-8 at byte"))
      #expect(try await stand.redis.length(of: stand.incoming("b")) == 0)
    }
  }

  @Test("may be as long as a frame of a client, and no longer")
  func size() async throws {
    try await TestStand.with(TestStand.Options(gateways: 0)) { stand in
      let api = try await stand.startAPI { $0.bodyBytes = 2_000 }
      let around = message("m", body: #""""#).body!.utf8.count
      func text(_ bytes: Int) -> HTTPTestRequest {
        message("m", body: "\"" + String(repeating: "x", count: bytes - around) + "\"")
      }
      #expect(try await api.ask(text(2_000)).status == 202)
      let answer = try await api.ask(text(2_001))
      #expect(try answer.code() == "too_large")
      #expect(answer["connection"] == "close")
    }
  }

  @Test("waits where the partition of the recipient is full, and others do not")
  func overloaded() async throws {
    var options = TestStand.Options(gateways: 0)
    options.hasMessaging = false
    try await TestStand.with(options) { stand in
      let api = try await stand.startAPI { $0.backlogEntries = 5 }
      var number = 0
      var refused: HTTPAnswer?
      try await eventually("the partition is full") {
        number += 1
        let answer = try await api.ask(message("m\(number)"))
        if answer.status != 202 { refused = answer }
        return refused != nil
      }
      let answer = try #require(refused)
      #expect(try answer.code() == "overloaded")
      #expect(try #require(answer["retry-after"].flatMap { Int($0) }) >= 1)
      let other = try #require(
        (0..<100).map { "user\($0)" }.first { name in
          (try? stand.incoming(name)) != (try? stand.incoming("bob"))
        })
      #expect(try await api.ask(message("m", to: other)).status == 202)
      // What its sender is to have, too, waits for the sender's partition as well.
      let copy = try await api.ask(message("c", from: "bob", to: other, also: #","copy":true"#))
      #expect(try copy.code() == "overloaded")
      #expect(try await api.ask(message("c", from: "bob", to: other)).status == 202)
      try await stand.startMessaging()
      try await eventually("messages are taken again") {
        number += 1
        return try await api.ask(message("m\(number)")).status == 202
      }
    }
  }

  @Test("is answered only when Redis has it")
  func durable() async throws {
    var options = TestStand.Options(gateways: 0)
    options.clients = { PatientClients($0) }
    options.hasMessaging = false
    try await TestStand.withAPI(options) { stand, api in
      stand.server.pause()
      let connection = try await api.connect()
      connection.socket.send(message("m-1").text)
      let early = NIOLockedValueBox(false)
      async let answer = {
        let answer = try await connection.answer()
        early.withLockedValue { $0 = true }
        return answer
      }()
      try await Task.sleep(for: .milliseconds(300))
      #expect(early.withLockedValue { !$0 })
      stand.server.resume()
      let offset = try await answer.offset()
      #expect(try await stand.redis.entries(of: stand.incoming("bob")).map(\.id) == ["\(offset)"])
    }
  }

  @Test("is answered only when the replicas asked for have it, and is stored once all the same")
  func replicated() async throws {
    var options = TestStand.Options(gateways: 1)
    options.redis = .plain
    try await TestStand.with(options) { stand in
      let api = try await stand.startAPI { $0.durability = .replicated(1) }
      let bob = try await stand.online("bob")
      let answer = try await api.ask(message("m-1"))
      #expect(try answer.code() == "unavailable")
      #expect(answer["retry-after"] == "1")

      var replicaOptions = LocalRedisServer.Options()
      replicaOptions.extraArguments = [
        "--replicaof", "127.0.0.1", "\(stand.server.nodes[0].port)", "--repl-diskless-sync-delay",
        "0",
      ]
      let replica = try await LocalRedisServer.start(replicaOptions)
      try await eventually("the replica confirms") {
        try await api.ask(message("m-1")).status == 202
      }
      try await eventually("the replica confirms an erasure") {
        try await api.ask(HTTPTestRequest("DELETE", "/v1/users/carol")).status == 204
      }
      try await eventually("the replica confirms again") {
        try await api.ask(message("m-2")).status == 202
      }
      for id in ["m-1", "m-2"] { #expect(try await bob.expectMessage().id == id) }
      await replica.stop()
    }
  }

  @Test("goes to the bus alone; with a registry, only what is about users goes there")
  func connections() async throws {
    var options = TestStand.Options(gateways: 0)
    options.redis = .plain
    options.registry = .plain
    options.hasMessaging = false
    try await TestStand.with(options) { stand in
      let (bus, registry) = try (
        #require(stand.server.nodes.first), #require(stand.registry?.nodes.first)
      )
      func connections(_ node: LocalRedisServer) async throws -> Int {
        let list = try await node.command("CLIENT", "LIST", "TYPE", "normal").string ?? ""
        return list.split(whereSeparator: \.isNewline).count { !$0.contains("cmd=client") }
      }
      // The test's own.
      let before = try await (bus: connections(bus), registry: connections(registry))
      let api = try await stand.startAPI()
      try await eventually(
        "there are one per event loop, of which there are two, and one for users"
      ) {
        let now = try await (bus: connections(bus), registry: connections(registry))
        return now.bus == before.bus + 3 && now.registry == before.registry + 1
      }
      try await api.service.stop()
      _ = try await stand.startAPI { $0.durability = .replicated(1) }
      try await eventually("there is one more for erasures, and those of before are closed") {
        let now = try await (bus: connections(bus), registry: connections(registry))
        return now.bus == before.bus + 4 && now.registry == before.registry + 2
      }
    }
  }

  @Test("is unavailable while Redis is, as is everything else but /healthz")
  func unreachable() async throws {
    var options = TestStand.Options(gateways: 0)
    options.persistence = .none
    try await TestStand.withAPI(options) { stand, api in
      #expect(await api.isReady())
      await stand.server.kill()
      for request in [
        message("m-1"), HTTPTestRequest("GET", "/v1/users/bob"),
        HTTPTestRequest("DELETE", "/v1/users/bob"),
        HTTPTestRequest("POST", "/v1/users/bob/disconnect"),
      ] {
        let answer = try await api.ask(request)
        #expect(try answer.code() == "unavailable")
        #expect(answer["retry-after"] == "1")
      }
      #expect(try await api.ask(HTTPTestRequest("GET", "/healthz")).status == 200)
      try await eventually("it is not ready") { await !api.isReady() }
      try await stand.server.restart()
      try await eventually("messages are taken again") {
        try await api.ask(message("m-1")).status == 202
      }
    }
  }
}
