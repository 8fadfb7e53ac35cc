import ConnectProtocol
import ConnectTestStand
import Gateway
import MessageBus
import TestSupport
import Testing

@Suite("A client asks for history")
struct HistoryTests {
  @Test("and gets what it was sent, entry by entry the same, and handles nothing by it")
  func entries() async throws {
    let stand = try await TestStand.shared()
    let alice = try await stand.online("past.alice")
    let carol = try await stand.online("past.carol", gateway: 1)
    let bob = try await stand.online("past.bob")
    var pushed: [String] = []
    alice.sendMessage("a1", to: "past.bob", body: #"{"text":"Grüße"}"#)
    pushed.append(try await bob.expectFrame(type: "message").text)
    carol.sendMessage("c1", to: "past.bob", also: #","quiet":true"#)
    pushed.append(try await bob.expectFrame(type: "message").text)
    bob.sendMessage("b1", to: "past.alice", also: #","copy":true"#)
    pushed.append(try await bob.expectAccepted("b1", and: "sent").text)
    bob.ask("history", #","id":"q1""#)
    let whole = try await bob.expectHistory()
    #expect(whole.answer.id?.text == "q1")
    #expect(whole.text.hasSuffix("[\(pushed.reversed().joined(separator: ","))]}"))
    bob.ask("history", #","with":"past.alice""#)
    #expect(try await bob.expectHistory().text.hasSuffix("[\(pushed[2]),\(pushed[0])]}"))
    bob.ask("history", #","limit":1"#)
    let first = try await bob.expectHistory().answer
    #expect(first.entries.map(\.offset) == [whole.answer.entries[0].offset])
    let next = try #require(first.next)
    bob.ask("history", #","before":"\#(next)""#)
    let rest = try await bob.expectHistory()
    #expect(rest.text.hasSuffix("[\(pushed[1]),\(pushed[0])]}"))
    #expect(rest.answer.next == nil)
    #expect(!rest.answer.trimmed)
    #expect(try await stand.cursor("past.bob") == .zero)
    // What is not acked comes again.
    bob.close()
    let again = try await stand.connect("past.bob")
    try await again.expectWelcome()
    #expect(try await again.expectFrame(type: "message").text == pushed[0])
  }

  @Test("page by page, while messages come, and is told at the end that older ones are gone")
  func pages() async throws {
    let stand = try await TestStand.shared()
    let user = "pages.bob"
    let offsets = try await stand.store(
      (0..<700).map { ListedLog.message(from: $0 % 100 == 5 ? "rare" : "loud") }, for: user)
    try await stand.trim(user, to: 690)
    let bob = try await stand.connect(user, since: "\(offsets[699])")
    try await bob.expectWelcome()
    try await bob.expectLive()
    let alice = try await stand.online("rare")
    var seen: [Offset] = []
    var before = ""
    var requests = 0
    while true {
      bob.ask("history", #","with":"rare","limit":4\#(before)"#)
      let answer = try await bob.expectHistory().answer
      seen += answer.entries.map(\.offset)
      requests += 1
      #expect(answer.trimmed == (answer.next == nil))
      guard let next = answer.next else { break }
      before = #","before":"\#(next)""#
      alice.sendMessage("m\(requests)", to: user)
      _ = try await bob.expectMessage()
    }
    #expect(seen == [605, 505, 405, 305, 205, 105].map { offsets[$0] })
    #expect(requests == 2)
  }

  @Test("within the size of a frame")
  func frames() async throws {
    var options = TestStand.Options()
    options.configure = { $0.frameBytes = 8_192 }
    try await TestStand.with(options) { stand in
      let body = "\"\(String(repeating: "x", count: 3_000))\""
      let offsets = try await stand.store(
        (0..<5).map { _ in ListedLog.message(from: "alice", body: body) }, for: "bob")
      let bob = try await stand.connect("bob", since: "\(offsets[4])")
      try await bob.expectWelcome()
      try await bob.expectLive()
      var counts: [Int] = []
      var before = ""
      while true {
        bob.ask("history", before)
        let (answer, text) = try await bob.expectHistory()
        #expect(text.utf8.count <= 8_192)
        counts.append(answer.entries.count)
        guard let next = answer.next else { break }
        before = #","before":"\#(next)""#
      }
      #expect(counts == [2, 2, 1])
    }
  }

  @Test("as often as its user may, and no more")
  func limited() async throws {
    var options = TestStand.Options()
    options.configure = { $0.requestsPerSecond = 1 }
    try await TestStand.with(options) { stand in
      let bob = try await stand.online("bob")
      // At once, so that few come back meanwhile.
      for _ in 0..<30 { bob.ask("history", #","id":"q""#) }
      var refused: [ServerFrame.Rejected] = []
      for _ in 0..<30 {
        switch try await bob.expectFrame().frame {
        case .history: break
        case .rejected(let rejected): refused.append(rejected)
        case let frame: throw TestFailure("neither taken nor refused: \(frame)")
        }
      }
      #expect((4...20).contains(refused.count))
      #expect(refused.allSatisfy { $0.code == "rate_limited" })
      #expect(refused.allSatisfy { (1...1_000).contains($0.retryAfterMilliseconds ?? 0) })
      // The same for all kinds and devices, and harmless without an id.
      let other = try await stand.online("bob", device: "other")
      for _ in 0..<30 { other.ask("conversations") }
      var codes: [String] = []
      for _ in 0..<30 {
        if case .error(let code, _) = try await other.expectFrame().frame { codes.append(code) }
      }
      #expect(Set(codes) == ["rate_limited"])
      for _ in 0..<20 { other.ask("history") }
      other.sendText(#"{"type":"ping","id":"end"}"#)
      while try await other.expectFrame().type != "pong" {}
    }
  }

  @Test("of which so many wait, each served in its turn, and more are refused")
  func unanswered() async throws {
    var options = TestStand.Options()
    options.clients = { PatientClients($0) }
    options.configure = { $0.requestsPerSecond = 0 }
    try await TestStand.with(options) { stand in
      let bob = try await stand.online("bob")
      stand.server.pause()
      let maximum = GatewayLimits.unansweredRequests
      for number in 0..<maximum + 2 {
        bob.ask(number % 2 == 0 ? "history" : "conversations", #","id":"q\#(number)""#)
      }
      for number in maximum..<maximum + 2 {
        let rejected = try await bob.expectRejected("q\(number)")
        #expect(rejected.code == "overloaded")
        #expect((1_000...2_000).contains(rejected.retryAfterMilliseconds ?? 0))
      }
      stand.server.resume()
      for number in 0..<maximum {
        let id: MessageID?
        if number % 2 == 0 {
          id = try await bob.expectHistory().answer.id
        } else {
          id = try await bob.expectConversations().id
        }
        #expect(id?.text == "q\(number)")
      }
      bob.ask("history")
      _ = try await bob.expectHistory()
    }
  }

  @Test("and is refused while Redis does not answer, or when the connection is about to end")
  func refused() async throws {
    try await TestStand.with { stand in
      let bob = try await stand.online("bob")
      stand.server.pause()
      bob.ask("history", #","id":"q1""#)
      let rejected = try await bob.expectRejected("q1")
      #expect(rejected.code == "unavailable")
      #expect(rejected.retryable)
      stand.server.resume()
      try await eventually("it is served again") {
        bob.ask("conversations", #","id":"q2""#)
        return try await bob.expectFrame().type == "conversations"
      }
    }
    var options = TestStand.Options()
    options.clients = { PatientClients($0) }
    try await TestStand.with(options) { stand in
      let bob = try await stand.online("bob")
      stand.server.pause()
      for id in ["q1", "q2"] { bob.ask("history", #","id":"\#(id)""#) }
      try await bob.expectOpen()
      await stand.gateways[0].service.beginStop()
      for id in ["q1", "q2"] {
        #expect(try await bob.expectRejected(id).code == "draining")
      }
      _ = try await bob.expectFrame(type: "goodbye")
      stand.server.resume()
      try await bob.expectClose(1012)
    }
  }

  @Test("and what it does not read makes the gateway read no more, until it does")
  func slowReader() async throws {
    var options = TestStand.Options()
    options.configure = {
      $0.requestsPerSecond = 0
      // Who does not read answers no pings, for as long as a busy machine takes.
      $0.pingSeconds = 3_600
    }
    try await TestStand.with(options) { stand in
      let body = "\"\(String(repeating: "x", count: 6_000))\""
      let offsets = try await stand.store(
        (0..<10).map { _ in ListedLog.message(from: "alice", body: body) }, for: "bob")
      let (bob, _) = try await TestSocket.upgrade(
        port: stand.gateways[0].port,
        try await stand.request("bob", since: "\(offsets[9])"), receiveBufferBytes: 4_096)
      try await bob.expectWelcome()
      try await bob.expectLive()
      let other = try await stand.online("other")
      let calls = try await stand.statistic("calls", of: "xrevrange")
      try await bob.setReading(false)
      let maximum = GatewayLimits.unansweredRequests
      for number in 0..<maximum { bob.ask("history", #","id":"q\#(number)""#) }
      var served = 0
      var others = 0
      try await eventually("no further one is served") {
        let before = served
        for _ in 0..<20 {
          other.ask("history")
          _ = try await other.expectHistory()
        }
        others += 20
        served = try await stand.statistic("calls", of: "xrevrange") - calls - others
        return served > 0 && served == before
      }
      #expect(served < maximum)
      try await bob.setReading(true)
      for number in 0..<maximum {
        let answer = try await bob.expectHistory().answer
        #expect(answer.id?.text == "q\(number)")
        #expect(answer.entries.count == 10)
      }
    }
  }
}
