import ConnectProtocol
import ConnectTestStand
import TestSupport
import Testing

@Suite("What one user may send is limited")
struct UserRateTests {
  /// How much a rate has allowed since the beginning, however long a slow machine took.
  private struct Allowance {
    let perSecond: Int
    let atOnce: Int
    private let began = ContinuousClock.now

    init(perSecond: Int, atOnce: Int) {
      self.perSecond = perSecond
      self.atOnce = atOnce
    }

    var soFar: Int {
      self.atOnce + Int((ContinuousClock.now - self.began) / .seconds(1) * Double(self.perSecond))
    }
  }

  /// Two gateways, of which the first limits nobody.
  private func oneUnlimited(sendsPerSecond: Int) -> TestStand.Options {
    var options = TestStand.Options(gateways: 2)
    options.configure = { $0.sendsPerSecond = $0.id.text == "g1" ? 0 : sendsPerSecond }
    return options
  }

  @Test("over all devices and event loops together, and who comes back gets no more")
  func devices() async throws {
    var options = TestStand.Options()
    options.configure = { $0.sendsPerSecond = 5 }
    try await TestStand.with(options) { stand in
      let allowance = Allowance(perSecond: 5, atOnce: 10)
      var accepted = 0
      for round in 0..<2 {
        var sockets: [TestSocket] = []
        for device in 0..<4 {
          let socket = try await stand.online("alice", device: "d\(device)")
          for number in 0..<10 { socket.sendMessage("\(round).\(device).\(number)", to: "bob") }
          for _ in 0..<10 {
            switch try await socket.expectFrame().frame {
            case .accepted: accepted += 1
            case .rejected(let rejected): #expect(rejected.code == "rate_limited")
            default: Issue.record("neither accepted nor rejected")
            }
          }
          sockets.append(socket)
        }
        #expect(accepted >= 10)
        #expect(accepted <= allowance.soFar)
        for socket in sockets { socket.close() }
        for device in 0..<4 {
          try await eventually("d\(device) is gone") {
            try await stand.session("alice", device: "d\(device)") == nil
          }
        }
      }
    }
  }

  @Test("with the positions for what it acks, under however many names, and all come in the end")
  func positions() async throws {
    try await TestStand.with(self.oneUnlimited(sendsPerSecond: 10)) { stand in
      let senders = (0..<30).map { "sender\($0)" }
      for sender in senders {
        let socket = try await stand.online(sender)
        socket.sendMessage("m", to: "bob", also: #","receipt":true"#)
        try await socket.expectAccepted("m")
        socket.close()
      }
      try await eventually("all is in the mailbox") {
        try await stand.mailbox("bob").count == senders.count
      }
      let allowance = Allowance(perSecond: 10, atOnce: 20)
      var devices: [TestSocket] = []
      for number in 0..<5 {
        let device = try await stand.connect("bob", device: "d\(number)", gateway: 1)
        try await device.expectWelcome()
        for _ in senders { device.ack(try await device.expectMessage().offset) }
        try await device.expectLive()
        devices.append(device)
      }
      try await eventually("all senders are told") {
        var count = 0
        for sender in senders {
          let row = try await stand.redis("HGET", "connect:positions:{\(sender)}", "bob")
          count += row.string == nil ? 0 : 1
        }
        #expect(count <= allowance.soFar)
        return count == senders.count
      }
      for device in devices { try await device.expectOpen() }
    }
  }

  @Test("which costs no position of who comes back after long and acks one by one, and no send")
  func absence() async throws {
    try await TestStand.with(self.oneUnlimited(sendsPerSecond: 10)) { stand in
      let alice = try await stand.online("alice")
      let ids = (0..<600).map { "\($0)" }
      for id in ids { alice.sendMessage(id, to: "bob", also: #","receipt":true"#) }
      var last = Offset.zero
      for id in ids { last = try await alice.expectAccepted(id) }
      try await eventually("all is in the mailbox") {
        try await stand.mailbox("bob").count == ids.count
      }
      let allowance = Allowance(perSecond: 10, atOnce: 20)
      let bob = try await stand.connect("bob", gateway: 1)
      try await bob.expectWelcome()
      var seen = 0
      var accepted = 0
      while seen < ids.count || accepted < 3 {
        switch try await bob.expectFrame().frame {
        case .message(let message):
          #expect(message.id.text == ids[seen])
          bob.ack(message.offset)
          seen += 1
          if seen % 200 == 100 { bob.sendMessage("b\(seen)", to: "carol") }
        case .accepted: accepted += 1
        case .live: break
        default: Issue.record("no message, and no send was accepted")
        }
      }
      var told = Offset.zero
      var positions = 0
      while told < last {
        let delivered = try #require(try await alice.expectPosition().delivered)
        #expect(delivered > told)
        told = delivered
        positions += 1
      }
      #expect(told == last)
      #expect(positions <= allowance.soFar)
    }
  }

  @Test("and so are looks for reads of what was not sent, at the price of a `retry`")
  func looks() async throws {
    var options = TestStand.Options()
    options.configure = {
      $0.lookUpsPerSecond = 4
      $0.lookUpsAtOnce = 4
    }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice")
      let bob = try await stand.online("bob")
      alice.sendMessage("m", to: "bob")
      let sent = try await bob.expectMessage().offset
      let allowance = Allowance(perSecond: 4, atOnce: 4)
      let unsent = Offset(milliseconds: .max, sequence: 0)
      for number in 0..<20 { bob.read(unsent, of: "peer\(number)", id: "\(number)") }
      var answered = 0
      for _ in 0..<20 {
        switch try await bob.expectFrame().frame {
        case .position: answered += 1
        case .rejected(let rejection):
          #expect(rejection.code == "rate_limited")
          #expect(rejection.message.contains("reads of what was not sent"))
          #expect((1...250).contains(rejection.retryAfterMilliseconds ?? 0))
        case let frame: Issue.record("neither answered nor refused: \(frame)")
        }
      }
      #expect(answered >= 4)
      #expect(answered <= allowance.soFar)
      for number in 0..<20 {
        bob.read(sent, of: "peer\(number)", id: "sent\(number)", isPrivate: true)
      }
      for _ in 0..<20 { #expect(try await bob.expectPosition().mine == sent) }
    }
  }

  @Test("but for reads whose look Redis never heard of")
  func looksInVain() async throws {
    var options = TestStand.Options()
    options.configure = {
      $0.lookUpsPerSecond = 1
      $0.lookUpsAtOnce = 1
    }
    try await TestStand.with(options) { stand in
      let bob = try await stand.online("bob")
      await stand.server.kill()
      try await eventually("the gateway has noticed") { await !stand.gateways[0].isReady() }
      for number in 0..<10 {
        bob.read(Offset(milliseconds: .max, sequence: 0), of: "alice", id: "\(number)")
        #expect(try await bob.expectRejected("\(number)").code == "unavailable")
      }
    }
  }

  @Test("more narrowly if marked `retry`: they are told when to come again, and come in order")
  func lookUps() async throws {
    var options = TestStand.Options()
    options.configure = {
      $0.lookUpsPerSecond = 4
      $0.lookUpsAtOnce = 4
    }
    try await TestStand.with(options) { stand in
      let bob = try await stand.online("bob")
      let alice = try await stand.online("alice")
      let allowance = Allowance(perSecond: 4, atOnce: 4)
      let ids = (0..<10).map { "\($0)" }
      for id in ids { alice.sendMessage(id, to: "bob", also: #","retry":true"#) }
      var rejected: [ServerFrame.Rejected] = []
      for _ in ids {
        let frame = try await alice.expectFrame().frame
        if case .rejected(let rejection) = frame { rejected.append(rejection) }
      }
      #expect(ids.count - rejected.count >= 4)
      #expect(ids.count - rejected.count <= allowance.soFar)
      let first = try #require(rejected.first)
      #expect(first.code == "rate_limited")
      #expect(first.message.contains("retry"))
      #expect((1...250).contains(first.retryAfterMilliseconds ?? 0))
      alice.sendMessage("first", to: "carol")
      try await alice.expectAccepted("first")

      for id in rejected.map(\.id.text) {
        try await eventually("\(id) is accepted") {
          alice.sendMessage(id, to: "bob", also: #","retry":true"#)
          return try await alice.expectFrame().type == "accepted"
        }
      }
      for id in ids { #expect(try await bob.expectMessage().id == id) }
    }
  }
}
