import ConnectProtocol
import ConnectTestStand
import TestSupport
import Testing

@Suite("A connection is closed")
struct CloseTests {
  // MARK: By the client

  @Test("with the client's own code, when the client closes", arguments: [1000, 1001, 3000, 4999])
  func byClient(code: UInt16) async throws {
    let stand = try await TestStand.shared()
    let user = "bye.\(code)"
    let socket = try await stand.online(user)
    try await socket.setAnswersClose(false)
    #expect(try await stand.session(user) != nil)
    socket.sendClose(code)
    try await socket.expectClose(code)
    try await eventually("the session is gone") { try await stand.session(user) == nil }
  }

  @Test("when the client closes without a code")
  func withoutCode() async throws {
    let stand = try await TestStand.shared()
    let socket = try await stand.online("bye.none")
    try await socket.setAnswersClose(false)
    socket.send(RawFrame(opcode: 8))
    guard case .close = try await socket.next() else { throw TestFailure("a close was due") }
    #expect(try await socket.next() == .ended)
  }

  @Test("without a word, when the client is gone, and its session with it")
  func vanished() async throws {
    let stand = try await TestStand.shared()
    let socket = try await stand.online("vanished")
    socket.close()
    try await eventually("the session is gone") { try await stand.session("vanished") == nil }
  }

  @Test("and nothing is heard that comes behind the client's close")
  func behindClose() async throws {
    let stand = try await TestStand.shared()
    let socket = try await stand.online("behind")
    try await socket.setAnswersClose(false)
    let ping = RawFrame(opcode: 1, payload: Array(#"{"type":"ping"}"#.utf8))
    socket.send(RawFrame(opcode: 8, payload: [0x03, 0xe8]), ping)
    try await socket.expectClose(1000)
  }

  // MARK: For what the client has sent

  private static let ping = Array(#"{"type":"ping","id":"1"}"#.utf8)

  static let violations: [(String, UInt16, [RawFrame])] = {
    func frame(_ opcode: UInt8, _ payload: [UInt8] = [], isFinal: Bool = true) -> RawFrame {
      RawFrame(opcode: opcode, payload: payload, isFinal: isFinal)
    }
    func changed(_ frame: RawFrame, _ change: (inout RawFrame) -> Void) -> RawFrame {
      var frame = frame
      change(&frame)
      return frame
    }
    let text = frame(1, Self.ping)
    return [
      ("not masked", 1002, [changed(text) { $0.isMasked = false }]),
      ("RSV1", 1002, [changed(text) { $0.reserved = 4 }]),
      ("RSV2", 1002, [changed(text) { $0.reserved = 2 }]),
      ("RSV3", 1002, [changed(text) { $0.reserved = 1 }]),
      ("opcode 3", 1002, [frame(3)]),
      ("opcode 15", 1002, [frame(15)]),
      ("a continuation of nothing", 1002, [frame(0, Self.ping)]),
      ("a message within a message", 1002, [frame(1, [0x7b], isFinal: false), text]),
      ("a ping in fragments", 1002, [frame(9, isFinal: false)]),
      ("a ping of 126 bytes", 1002, [frame(9, Array(repeating: 0, count: 126))]),
      ("a close of one byte", 1002, [frame(8, [3])]),
      ("a close with 1005", 1002, [frame(8, [0x03, 0xed])]),
      ("a close with 999", 1002, [frame(8, [0x03, 0xe7])]),
      ("a close whose reason is not text", 1007, [frame(8, [0x03, 0xe8, 0xff])]),
      ("binary", 1003, [frame(2, Self.ping)]),
      ("binary in fragments", 1003, [frame(2, [1], isFinal: false), frame(0, [2])]),
      ("empty binary", 1003, [frame(2)]),
      ("broken UTF-8", 1007, [frame(1, [0x22, 0xff, 0x22])]),
      (
        "broken UTF-8 in a body", 1007,
        [frame(1, Array(#"{"type":"send","id":"1","to":"a","body":""#.utf8) + [0xc3, 0x22, 0x7d])]
      ),
      ("a surrogate in UTF-8", 1007, [frame(1, [0x22, 0xed, 0xa0, 0x80, 0x22])]),
      (
        "broken UTF-8 over two fragments", 1007,
        [frame(1, [0x22, 0xe2, 0x82], isFinal: false), frame(0, [0x22])]
      ),
      ("more than the limit, by its header", 1009, [changed(text) { $0.declaredLength = 70_000 }]),
      ("2^62 bytes, by its header", 1009, [changed(text) { $0.declaredLength = 1 << 62 }]),
      (
        "more than the limit in two fragments", 1009,
        [
          frame(1, Array(repeating: 0x20, count: 40_000), isFinal: false),
          frame(0, Array(repeating: 0x20, count: 25_537)),
        ]
      ),
    ]
  }()

  @Test("for a violation, and nothing is sent after the close", arguments: Self.violations.indices)
  func violation(_ index: Int) async throws {
    let (what, code, frames) = Self.violations[index]
    let stand = try await TestStand.shared()
    let socket = try await stand.online("violation.\(index)")
    let ping = RawFrame(opcode: 1, payload: Self.ping)
    socket.sendRaw((frames + [ping]).flatMap(\.bytes))
    let event = try await socket.next("close for \(what)")
    guard case .close(code, let reason) = event else {
      throw TestFailure("\(what): expected a close with \(code), got \(event)")
    }
    #expect(!reason.isEmpty)
    #expect(try await socket.next("end after \(what)") == .ended)
    try await eventually("the session is gone") {
      try await stand.session("violation.\(index)") == nil
    }
  }

  @Test("with the client's own code, also where more comes behind its close")
  func answeredAndMore() async throws {
    let stand = try await TestStand.shared()
    let close = RawFrame(opcode: 8, payload: [3, 232])
    // More than is read at once, so that some is unread when the answer leaves.
    let pong = RawFrame(opcode: 10, payload: Array(repeating: 1, count: 100))
    let frames = [close] + Array(repeating: pong, count: 2_000)
    for _ in 0..<5 {
      let socket = try await stand.online("talker")
      socket.sendRaw(frames.flatMap(\.bytes))
      try await socket.expectClose(1000)
    }
  }

  @Test("never after which an answer comes that was under way")
  func answersUnderWay() async throws {
    let stand = try await TestStand.shared()
    let send = RawFrame(
      opcode: 1, payload: Array(#"{"type":"send","id":"1","to":"crowd","body":1}"#.utf8))
    var sockets: [TestSocket] = []
    for round in 0..<20 {
      let socket = try await stand.online("late.\(round)")
      // Unanswered, the close leaves the connection open for as long as an answer may take.
      try await socket.setAnswersClose(false)
      // In one packet, so that the answer of Redis comes after the close was sent.
      socket.send(send, RawFrame(opcode: 2))
      sockets.append(socket)
    }
    for socket in sockets { try await socket.expectClose(1003) }
  }

  @Test("not for fragments, with a ping between them")
  func fragments() async throws {
    let stand = try await TestStand.shared()
    let socket = try await stand.online("fragments")
    let text = Array(#"{"type":"ping","id":"ä"}"#.utf8)
    for cut in [0, 1, 19, 20, text.count] {
      socket.send(
        RawFrame(opcode: 1, payload: Array(text[..<cut]), isFinal: false),
        RawFrame(opcode: 9, payload: [7]),
        RawFrame(opcode: 0, payload: [], isFinal: false),
        RawFrame(opcode: 0, payload: Array(text[cut...])))
      #expect(try await socket.next() == .pong([7]))
      guard case .pong("ä") = try await socket.expectFrame(type: "pong").frame else {
        throw TestFailure("a pong was due")
      }
    }
    for byte in RawFrame(opcode: 1, payload: text).bytes { socket.sendRaw([byte]) }
    _ = try await socket.expectFrame(type: "pong")
  }

  @Test("not for a frame of exactly the limit")
  func limit() async throws {
    let stand = try await TestStand.shared()
    let socket = try await stand.online("limit")
    let start = #"{"type":"send","id":"1","to":"limit","body":""#
    let text = start + String(repeating: "x", count: 65_536 - start.utf8.count - 2) + "\"}"
    socket.sendText(text)
    var types: Set<String> = []
    for _ in 0..<2 { types.insert(try await socket.expectFrame().type) }
    #expect(types == ["accepted", "message"])
    socket.sendText(text + " ")
    try await socket.expectClose(1009)
  }

  // MARK: By the clock

  /// A gateway whose ping period is short, and still longer than a stall of a busy machine.
  private static var quick: TestStand.Options {
    var options = TestStand.Options()
    options.configure = { $0.pingSeconds = 3 }
    return options
  }

  @Test("with 4003, when nothing comes for two periods")
  func silence() async throws {
    try await TestStand.with(Self.quick) { stand in
      let silent = try await stand.connect("silent")
      try await silent.setAnswersPings(false)
      #expect(try await silent.expectWelcome().pingSeconds == 3)
      try await silent.expectLive()
      let lively = try await stand.online("lively")
      #expect(try await silent.next() == .ping([]))
      #expect(try await silent.next() == .ping([]))
      try await silent.expectClose(4003)
      // Its client answers pings, and has done nothing else.
      try await lively.expectOpen()
      try await eventually("the session is gone") { try await stand.session("silent") == nil }
    }
  }

  @Test("with 4001, when its token has expired")
  func expired() async throws {
    try await TestStand.with(Self.quick) { stand in
      // A busy machine may not get to `live` before a token of two seconds expires.
      var socket: TestSocket?
      var token = ""
      for seconds: Double in [2, 4, 8, 16, 32] where socket == nil {
        token = try await stand.token("short", seconds: seconds)
        socket = try await self.live(stand, token)
      }
      try await #require(socket, "no token lasted until live").expectClose(4001)
      let answer = try await stand.refusal(of: UpgradeRequest(token: token))
      #expect(answer.status == 401)
    }
  }

  /// A connection that has come to `live` with this token; nil if that expired before.
  private func live(_ stand: TestStand, _ token: String) async throws -> TestSocket? {
    do {
      let (socket, _) = try await TestSocket.upgrade(
        port: stand.gateways[0].port, UpgradeRequest(token: token))
      for _ in 0..<2 {
        switch try await socket.next() {
        case .text(let text) where text.contains(#""type":"live""#): return socket
        case .text(let text) where text.contains(#""type":"welcome""#): continue
        case .close(4001, _): return nil
        case let event: throw TestFailure("expected welcome, live or a close, got \(event)")
        }
      }
      throw TestFailure("welcome came twice")
    } catch let error as TestSocket.UnexpectedAnswer where error.answer.status == 401 {
      return nil
    }
  }

  // MARK: For another connection

  @Test("with 4002, when its device connects again, here or elsewhere", arguments: [0, 1])
  func replaced(gateway: Int) async throws {
    let stand = try await TestStand.shared()
    let user = "replaced.\(gateway)"
    let older = try await stand.online(user, device: "phone")
    let other = try await stand.online(user, device: "tablet")
    let newer = try await stand.online(user, device: "phone", gateway: gateway)
    try await older.expectClose(4002)
    try await other.expectOpen()
    newer.sendMessage("1", to: user)
    var types: Set<String> = []
    for _ in 0..<2 { types.insert(try await newer.expectFrame().type) }
    #expect(types == ["accepted", "message"])
    #expect(try await other.expectMessage().id == "1")
    #expect(
      try await stand.session(user, device: "phone")?.hasPrefix("g\(gateway + 1)/") == true)
  }

  @Test("with 4002, many times over, and the last one lives")
  func replacedOften() async throws {
    let stand = try await TestStand.shared()
    var sockets: [TestSocket] = []
    for round in 0..<10 {
      sockets.append(try await stand.online("often", gateway: round % 2))
    }
    for socket in sockets.dropLast() { try await socket.expectClose(4002) }
    let last = try #require(sockets.last)
    try await last.expectOpen()
    let sender = try await stand.online("often.sender")
    sender.sendMessage("1", to: "often")
    #expect(try await last.expectMessage().id == "1")
  }

  // MARK: In Redis

  /// An erasure takes the end of the session for the end of all that is stored.
  @Test("and leaves the registry behind the last cursor that is stored")
  func order() async throws {
    var options = TestStand.Options(gateways: 1)
    options.redis = .plain
    try await TestStand.with(options) { stand in
      let user = try #require(UserName("bob"))
      let (cursor, session) = ("\(stand.keys.cursor(user))", "\(stand.keys.session(user))")
      let node = try #require(stand.server.nodes.first)
      try await node.command("CONFIG", "SET", "slowlog-log-slower-than", "0")
      try await node.command("CONFIG", "SET", "slowlog-max-len", "100000")
      // In the order in which they were executed.
      func commands() async throws -> [[String]] {
        let log = try await node.command("SLOWLOG", "GET", "100000").array ?? []
        return log.reversed().map { entry in
          guard let entry = entry.array, entry.count > 3 else { return [] }
          return entry[3].array?.compactMap(\.string) ?? []
        }
      }
      func isStore(_ words: [String]) -> Bool { words.starts(with: ["HSET", cursor]) }

      let bob = try await stand.online("bob")
      try await node.command("SLOWLOG", "RESET")
      bob.sendClose(1000)
      try await bob.expectClose(1000)
      try await eventually("the cursor is stored, and the session is gone") {
        guard try await stand.session("bob") == nil else { return false }
        return try await commands().contains(where: isStore)
      }
      let words = try await commands()
      let stored = try #require(words.lastIndex(where: isStore))
      let removed = try #require(
        words.firstIndex { $0.first?.hasPrefix("EVAL") == true && $0.contains(session) })
      #expect(stored < removed)
    }
  }

  // MARK: For a stop

  @Test("with goodbye and 1012, when the gateway stops; nothing of it stays in Redis")
  func stop() async throws {
    let port = try await TakenPort.free()
    var options = TestStand.Options(gateways: 2)
    options.configure = { if $0.id.text == "g1" { $0.port = port } }
    try await TestStand.with(options) { stand in
      let bob = try await stand.online("bob")
      let alice = try await stand.online("alice", gateway: 1)
      alice.sendMessage("1", to: "bob")
      let offset = try await bob.expectMessage().offset
      bob.ack(offset)
      // Right behind the ack: a planned stop stores what was acked.
      try await bob.expectOpen()
      await stand.gateways[0].service.beginStop()
      guard case .goodbye(let code, let wait) = try await bob.expectFrame(type: "goodbye").frame
      else { throw TestFailure("a goodbye was due") }
      #expect(code == 1012)
      #expect((0...1_000).contains(wait))
      try await bob.expectClose(1012)
      try await stand.gateways[0].service.stop()

      #expect(try await stand.cursor("bob") == offset)
      #expect(try await stand.session("bob") == nil)
      #expect(
        try await stand.redis("EXISTS", "\(stand.keys.outgoing(stand.gateways[0].id))")
          == .integer(0))
      #expect(
        try await stand.redis("EXISTS", "\(stand.keys.gateway(stand.gateways[0].id))")
          == .integer(0))
      await #expect(throws: (any Error).self) { _ = try await TestSocket.open(port: port) }
      let again = try await stand.connect("bob", gateway: 1)
      #expect(try await again.expectWelcome().offset == offset)
      try await again.expectLive()
      try await alice.expectAccepted("1")
      try await alice.expectOpen()
    }
  }
}
