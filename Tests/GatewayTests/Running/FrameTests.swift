import ConnectProtocol
import ConnectTestStand
import Foundation
import Gateway
import NIOConcurrencyHelpers
import TestSupport
import Testing

@Suite("A client that is heard")
struct FrameTests {
  // MARK: Messages

  @Test("is told where its message stands, and the recipient sees it there")
  func message() async throws {
    let stand = try await TestStand.shared()
    let alice = try await stand.online("msg.alice", gateway: 0)
    let bob = try await stand.online("msg.bob", gateway: 1)
    alice.sendMessage("m:1.a_b-C", to: "msg.bob", body: #"{"text":"hello"}"#)
    let offset = try await alice.expectAccepted("m:1.a_b-C")
    let message = try await bob.expectMessage()
    #expect(message.offset == offset)
    #expect(message.from == "msg.alice")
    #expect(message.id == "m:1.a_b-C")
    #expect(message.at == offset.milliseconds)
    #expect(message.body == #"{"text":"hello"}"#)
    try await alice.expectOpen()
  }

  @Test(
    "has its body passed on byte for byte",
    arguments: [
      "null", "true", "-0.10e+05", #""""#, #""\u00e4\ud83d\ude00\/""#, #""ä😀\\\"\n""#,
      "[ 1 ,\t{ } ]", #"{"a" : 1, "a":2,  "b":[[[]]]}"#, #"{"type":"ack","offset":"1-1"}"#,
      #"" \u0000 \u2028""#, "123456789012345678901234567890.5",
    ])
  func body(_ body: String) async throws {
    let stand = try await TestStand.shared()
    let user = "body.\(body.utf8.reduce(5_381) { ($0 &* 33) ^ Int($1) } & 0xffff_ffff)"
    let socket = try await stand.online(user)
    socket.sendText(#"{"body": \#(body) , "to":"\#(user)","id":"1","type":"send"}"#)
    var seen: String?
    for _ in 0..<2 {
      let frame = try await socket.expectFrame()
      if case .message(let message) = frame.frame {
        seen = String(decoding: Array(frame.text.utf8)[message.body], as: UTF8.self)
      }
    }
    #expect(seen == body)
  }

  @Test("may say more than is known")
  func unknownFields() async throws {
    let stand = try await TestStand.shared()
    let socket = try await stand.online("unknown.fields")
    socket.sendText(
      #"{"x":{"type":"send"},"type":"send","id":"1","to":"nobody","body":1,"ttl":5,"":[]}"#)
    try await socket.expectAccepted("1")
    try await socket.expectOpen()
  }

  @Test("has its sends of one packet accepted in order, in order of offsets")
  func pipelined() async throws {
    let stand = try await TestStand.shared()
    let socket = try await stand.online("pipelined")
    let frames = (0..<100).map { number in
      RawFrame(
        opcode: 1,
        payload: Array(#"{"type":"send","id":"\#(number)","to":"crowd","body":1}"#.utf8))
    }
    socket.sendRaw(frames.flatMap(\.bytes))
    var last = Offset.zero
    for number in 0..<100 {
      let offset = try await socket.expectAccepted("\(number)")
      #expect(offset > last)
      last = offset
    }
  }

  @Test("reaches all devices of a user, on all gateways, in one order")
  func devices() async throws {
    let stand = try await TestStand.shared()
    var devices: [TestSocket] = []
    for (device, gateway) in [("a", 0), ("b", 1), ("c", 1)] {
      devices.append(try await stand.online("dev.bob", device: device, gateway: gateway))
    }
    let alice = try await stand.online("dev.alice")
    let carol = try await stand.online("dev.carol", gateway: 1)
    for number in 0..<20 {
      alice.sendMessage("a\(number)", to: "dev.bob")
      carol.sendMessage("c\(number)", to: "dev.bob")
    }
    var seen: [[ReceivedMessage]] = []
    for device in devices {
      var messages: [ReceivedMessage] = []
      for _ in 0..<40 { messages.append(try await device.expectMessage()) }
      seen.append(messages)
      try await device.expectOpen()
    }
    #expect(seen[1] == seen[0])
    #expect(seen[2] == seen[0])
    for (prefix, sender) in [("a", "dev.alice"), ("c", "dev.carol")] {
      let ids = seen[0].filter { $0.from == sender }.map(\.id)
      #expect(ids == (0..<20).map { "\(prefix)\($0)" })
    }
  }

  // MARK: What makes no sense

  static let errors: [(String, String)] = [
    ("", "malformed"), ("{}", "malformed"), ("[]", "malformed"), ("null", "malformed"),
    ("{", "malformed"), (#"{"type":"send"} x"#, "malformed"), (#"{"type":7}"#, "malformed"),
    (#"{"type":"send","to":"a","body":01}"#, "malformed"),
    (#"{"type":"ack","offset":"1-1",}"#, "malformed"),
    (#"{"type":"send","to":"a","body":1}"#, "malformed"),
    (#"{"type":"send","id":"","to":"a","body":1}"#, "invalid_id"),
    (#"{"type":"send","id":"a b","to":"a","body":1}"#, "invalid_id"),
    (#"{"type":"send","id":"ä","to":"a","body":1}"#, "invalid_id"),
    (#"{"type":"ack"}"#, "malformed"), (#"{"type":"ack","offset":"x"}"#, "malformed"),
    (#"{"type":"ack","offset":5}"#, "malformed"),
    (#"{"type":"welcome"}"#, "unknown_type"), (#"{"type":"SEND"}"#, "unknown_type"),
    (#"{"type":""}"#, "unknown_type"), (#"{"type":"newer","id":"a b"}"#, "unknown_type"),
    (#"{"type":"newer","id":7}"#, "unknown_type"), (#"{"id":"a b"}"#, "malformed"),
    (#"{"type":"ping","id":7}"#, "malformed"), (#"{"type":"ping","id":"1",}"#, "malformed"),
  ]

  /// Those with an id that can be read.
  static let errorsWithID: [(String, String)] = [
    (#"{"id":"n"}"#, "malformed"), (#"{"id":"n","type":null}"#, "malformed"),
    (#"{"type":7,"id":"n"}"#, "malformed"), (#"{"type":"newer","id":"n"}"#, "unknown_type"),
    (#"{"type":"newer","id":"n","x":01}"#, "malformed"),
    (#"{"type":"ack","id":"n","offset":"x"}"#, "malformed"),
    (#"{"type":"read","id":"n"}"#, "malformed"),
  ]

  @Test("is told with error what makes no sense, and stays open", arguments: Self.errors.indices)
  func error(_ index: Int) async throws {
    let (text, code) = Self.errors[index]
    let stand = try await TestStand.shared()
    let socket = try await stand.online("error.\(index)")
    socket.sendText(text)
    #expect(try await socket.expectError() == code, Comment(rawValue: text))
    try await socket.expectOpen()
  }

  @Test("is told by its id what makes no sense and has one, and how often does not matter")
  func errorWithID() async throws {
    let stand = try await TestStand.shared()
    let socket = try await stand.online("error.id")
    // More than so many frames that make no sense would end the connection.
    for _ in 0...GatewayLimits.badFrames / Self.errorsWithID.count {
      for (text, code) in Self.errorsWithID {
        socket.sendText(text)
        let rejected = try await socket.expectRejected("n")
        #expect(rejected.code == code, Comment(rawValue: text))
        #expect(!rejected.retryable)
        #expect(rejected.retryAfterMilliseconds == nil)
      }
    }
    try await socket.expectOpen()
  }

  @Test("is told with rejected which send made no sense, and stays open")
  func rejected() async throws {
    let stand = try await TestStand.shared()
    let socket = try await stand.online("rejected")
    for (number, to) in ["", "a b", "ä", String(repeating: "u", count: 129), "a}b"].enumerated() {
      socket.sendMessage("r\(number)", to: to)
      let rejected = try await socket.expectRejected("r\(number)")
      #expect(rejected.code == "invalid_recipient", Comment(rawValue: to))
      #expect(!rejected.retryable)
      #expect(rejected.retryAfterMilliseconds == nil)
    }
    socket.sendText(#"{"type":"send","id":"r9","to":"a"}"#)
    let rejected = try await socket.expectRejected("r9")
    #expect(rejected.code == "malformed")
    #expect(!rejected.retryable)
    try await socket.expectOpen()
  }

  @Test("is told which send has a body that no recipient could read, and what it sends behind goes")
  func malformedBody() async throws {
    let stand = try await TestStand.shared()
    let socket = try await stand.online("malformed.body")
    let deep = String(repeating: "[", count: 512) + String(repeating: "]", count: 512)
    // More than so many frames that make no sense would end the connection.
    for number in 0..<2 * GatewayLimits.badFrames {
      let body = [#""\ud83d""#, deep, "01", #"{"a":1,}"#][number % 4]
      socket.sendMessage("b\(number)", to: "malformed.body", body: body)
      let rejected = try await socket.expectRejected("b\(number)")
      #expect(rejected.code == "malformed", Comment(rawValue: body))
      #expect(!rejected.retryable)
      #expect(rejected.retryAfterMilliseconds == nil)
    }
    socket.sendMessage("good", to: "nobody")
    try await socket.expectAccepted("good")
  }

  @Test("is closed with 1008 after too many of them, of whatever kind")
  func tooMany() async throws {
    let stand = try await TestStand.shared()
    let socket = try await stand.online("too.many")
    for number in 0...GatewayLimits.badFrames {
      socket.sendText(number % 2 == 0 ? "?" : #"{"type":"?"}"#)
    }
    for _ in 0...GatewayLimits.badFrames { try await socket.expectError() }
    try await socket.expectClose(1008)
  }

  // MARK: Pings and acks

  @Test("has its pings answered, in the protocol and below it")
  func pings() async throws {
    let stand = try await TestStand.shared()
    let socket = try await stand.online("pings")
    socket.sendText(#"{"type":"ping"}"#)
    guard case .pong(nil) = try await socket.expectFrame(type: "pong").frame else {
      throw TestFailure("a pong without an id was due")
    }
    socket.sendText(#"{"type":"ping","id":"\u00e4 \"x\""}"#)
    guard case .pong(let id) = try await socket.expectFrame(type: "pong").frame else {
      throw TestFailure("a pong was due")
    }
    #expect(id == #"ä "x""#)

    socket.send(RawFrame(opcode: 9), RawFrame(opcode: 9, payload: Array(0..<125)))
    #expect(try await socket.next() == .pong([]))
    #expect(try await socket.next() == .pong(Array(0..<125)))
    socket.send(RawFrame(opcode: 10, payload: [1, 2, 3]))
    try await socket.expectOpen()
  }

  @Test("may ack more than it was sent: that counts as all it was sent")
  func ackBeyond() async throws {
    let stand = try await TestStand.shared()
    let socket = try await stand.online("beyond")
    socket.ack(Offset(milliseconds: .max, sequence: .max))
    socket.sendMessage("1", to: "beyond")
    var offset = Offset.zero
    for _ in 0..<2 {
      if case .message(let message) = try await socket.expectFrame().frame {
        offset = message.offset
      }
    }
    try await socket.expectOpen()
    #expect(try await stand.cursor("beyond") == .zero)
    socket.ack(Offset(milliseconds: .max, sequence: 0))
    try await eventually("the cursor is stored") { try await stand.cursor("beyond") != .zero }
    #expect(try await stand.cursor("beyond") == offset)
  }

  @Test("tells the sender by position how far it has acked, if the sender wants to know")
  func receipts() async throws {
    let stand = try await TestStand.shared()
    let alice = try await stand.online("rcpt.alice")
    let bob = try await stand.online("rcpt.bob", device: "tablet", gateway: 1)
    var last = Offset.zero
    for number in 0..<6 {
      alice.sendMessage(
        "m\(number)", to: "rcpt.bob", also: number == 2 ? "" : #","receipt":true"#)
      last = try await alice.expectAccepted("m\(number)")
    }
    var offsets: [Offset] = []
    for _ in 0..<6 { offsets.append(try await bob.expectMessage().offset) }
    #expect(offsets.last == last)
    bob.ack(offsets[2])
    let first = try await alice.expectPosition()
    #expect(first.peer.text == "rcpt.bob")
    #expect(first.delivered == offsets[1], "the one between asks for none")
    #expect(first.read == nil)
    #expect(first.mine == nil)
    bob.ack(offsets[1])
    bob.ack(offsets[5])
    let second = try await alice.expectPosition()
    #expect(second.delivered == offsets[5])
    #expect(second.stamp > first.stamp)
    try await alice.expectOpen()
    #expect(try await stand.mailbox("rcpt.alice").isEmpty)
  }

  // MARK: Limits

  @Test("is sent no more than the window unacked, and the rest as it acks")
  func window() async throws {
    var options = TestStand.Options(gateways: 2)
    options.configure = { $0.unackedMessages = 5 }
    try await TestStand.with(options) { stand in
      let bob = try await stand.online("bob")
      let alice = try await stand.online("alice", gateway: 1)
      for number in 0..<23 {
        alice.sendMessage("\(number)", to: "bob")
        try await alice.expectAccepted("\(number)")
      }
      var seen = 0
      var last = Offset.zero
      while seen < 23 {
        let count = min(5, 23 - seen)
        for _ in 0..<count {
          let message = try await bob.expectMessage()
          #expect(message.id == "\(seen)")
          last = message.offset
          seen += 1
        }
        // Nothing more comes by itself.
        try await eventually("all is in the mailbox") {
          try await stand.mailbox("bob").count == 23
        }
        try await bob.expectOpen()
        bob.ack(last)
      }
      try await bob.expectOpen()
    }
  }

  @Test("that sends faster than it may is told when to send again")
  func rate() async throws {
    var options = TestStand.Options()
    options.configure = { $0.sendsPerSecond = 2 }
    try await TestStand.with(options) { stand in
      let socket = try await stand.online("fast")
      var tried = ContinuousClock.now
      for number in 0..<30 { socket.sendMessage("\(number)", to: "crowd") }
      var rejected: [ServerFrame.Rejected] = []
      var accepted: [String] = []
      for _ in 0..<30 {
        switch try await socket.expectFrame().frame {
        case .accepted(let id, _): accepted.append(id.text)
        case .rejected(let rejection): rejected.append(rejection)
        default: break
        }
      }
      #expect(accepted.count >= 4, "a burst of two seconds")
      #expect(accepted == accepted.sorted { Int($0)! < Int($1)! })
      #expect(rejected.count + accepted.count == 30)
      let last = try #require(rejected.last)
      #expect(last.code == "rate_limited")
      #expect(last.retryable)
      #expect((1...500).contains(last.retryAfterMilliseconds ?? 0))
      // Sent again as they were sent first, they are taken as tokens come, in that order.
      var again: [String] = []
      var longest = Duration.zero
      while again.count < 3 {
        let next = rejected[again.count].id.text
        socket.sendMessage("behind", to: "crowd")
        socket.sendMessage(next, to: "crowd", also: #","retry":true"#)
        for _ in 0..<2 {
          if case .accepted(let id, _) = try await socket.expectFrame().frame {
            again.append(id.text)
          }
        }
        longest = max(longest, ContinuousClock.now - tried)
        tried = .now
      }
      // For so long the gateway keeps their places; who is slower, as on a machine that is much too
      // busy, has given them up.
      if longest < .milliseconds(GatewayLimits.holdRejectedMilliseconds - 1_000) {
        #expect(again == rejected.prefix(3).map(\.id.text), "nothing overtakes them")
      }
      try await socket.expectOpen()
    }
  }

  @Test("has the places of its rejected sends kept while the gateway stands still")
  func rateAndPause() async throws {
    var options = TestStand.Options()
    options.configure = { $0.sendsPerSecond = 2 }
    try await TestStand.with(options) { stand in
      let socket = try await stand.online("paused")
      var tried = ContinuousClock.now
      for number in 0..<10 { socket.sendMessage("\(number)", to: "crowd") }
      var waiting: [String] = []
      var wait = 0
      for _ in 0..<10 {
        guard case .rejected(let rejection) = try await socket.expectFrame().frame else { continue }
        waiting.append(rejection.id.text)
        wait = max(wait, rejection.retryAfterMilliseconds ?? 0)
      }
      try #require(!waiting.isEmpty)
      // Longer than it would wait for them, and then it reads what was sent before it stood still.
      let pause = Double(GatewayLimits.holdRejectedMilliseconds + wait) / 1_000
      let standing = NIOLockedValueBox(0)
      for eventLoop in stand.group.makeIterator() {
        eventLoop.execute {
          standing.withLockedValue { $0 += 1 }
          Thread.sleep(forTimeInterval: pause)
        }
      }
      try await eventually("all loops stand still") { standing.withLockedValue { $0 } == 2 }
      // That time does not count.
      tried += .seconds(pause)
      socket.sendMessage("behind", to: "crowd")
      _ = try await socket.expectRejected("behind")
      waiting.append("behind")
      let expected = waiting
      var accepted: [String] = []
      var longest = Duration.zero
      while !waiting.isEmpty {
        for id in waiting { socket.sendMessage(id, to: "crowd", also: #","retry":true"#) }
        var rejected: [String] = []
        for _ in waiting {
          switch try await socket.expectFrame().frame {
          case .accepted(let id, _): accepted.append(id.text)
          case .rejected(let rejection): rejected.append(rejection.id.text)
          default: throw TestFailure("a send was neither accepted nor rejected")
          }
        }
        waiting = rejected
        longest = max(longest, ContinuousClock.now - tried)
        tried = .now
        try await Task.sleep(for: .milliseconds(GatewayLimits.retryAfterMilliseconds))
      }
      // As in `rate()`.
      if longest < .milliseconds(GatewayLimits.holdRejectedMilliseconds - 2_000) {
        #expect(accepted == expected)
      }
    }
  }

  @Test("has the places of its rejected sends kept while the gateway does not read it")
  func rateAndSlowReader() async throws {
    var options = TestStand.Options()
    options.configure = {
      $0.sendsPerSecond = 2
      // Who does not read answers no pings, for as long as a busy machine takes.
      $0.pingSeconds = 3_600
    }
    try await TestStand.with(options) { stand in
      let (slow, _) = try await TestSocket.upgrade(
        port: stand.gateways[0].port, try await stand.request("slow"), receiveBufferBytes: 4_096)
      try await slow.expectWelcome()
      try await slow.expectLive()
      // Each may send four at once.
      var others: [TestSocket] = []
      for number in 0..<5 { others.append(try await stand.online("other-\(number)")) }
      let begin = ContinuousClock.now
      for number in 0..<10 { slow.sendMessage("\(number)", to: "crowd") }
      var wait = 0
      for _ in 0..<10 {
        guard case .rejected(let rejection) = try await slow.expectFrame().frame else { continue }
        wait = max(wait, rejection.retryAfterMilliseconds ?? 0)
      }
      // A client that does not read what it is sent is not read either.
      try await slow.setReading(false)
      let body = "\"\(String(repeating: "x", count: 60_000))\""
      for other in others {
        for number in 0..<4 { other.sendMessage("\(number)", to: "slow", body: body) }
      }
      try await eventually("all are stored") {
        try await stand.mailbox("slow").count == 4 * others.count
      }
      let filling = ContinuousClock.now - begin
      // One second more for each end of the wait, since the clock shows full seconds.
      try await Task.sleep(
        for: .milliseconds(GatewayLimits.holdRejectedMilliseconds + wait + 2_000))
      slow.sendMessage("behind", to: "crowd")
      try await slow.setReading(true)
      var isRejected: Bool?
      while isRejected == nil {
        switch try await slow.expectFrame().frame {
        case .accepted(let id, _) where id.text == "behind": isRejected = false
        case .rejected(let rejection) where rejection.id.text == "behind": isRejected = true
        default: break
        }
      }
      // As in `rate()`.
      if filling < .milliseconds(GatewayLimits.holdRejectedMilliseconds - 2_000) {
        #expect(isRejected == true)
      }
    }
  }

  @Test("is told that a message cannot be stored while Redis is away, and is heard afterwards")
  func unavailable() async throws {
    var options = TestStand.Options()
    options.persistence = .appendOnly(fsync: .always)
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice")
      let bob = try await stand.online("bob")
      alice.sendMessage("before", to: "bob")
      try await alice.expectAccepted("before")
      try await bob.expectMessage()

      await stand.server.kill()
      try await eventually("the gateway has noticed") { await !stand.gateways[0].isReady() }
      alice.sendMessage("between", to: "bob")
      let rejected = try await alice.expectRejected("between")
      #expect(rejected.code == "unavailable")
      #expect(rejected.retryable)
      #expect((rejected.retryAfterMilliseconds ?? 0) > 0)
      try await alice.expectOpen()
      try await bob.expectOpen()

      try await stand.server.restart()
      try await eventually("the gateway has come back") { await stand.gateways[0].isReady() }
      alice.sendMessage("between", to: "bob", also: #","retry":true"#)
      let offset = try await alice.expectAccepted("between")
      let message = try await bob.expectMessage()
      #expect(message.id == "between")
      #expect(message.offset == offset)
    }
  }
}
