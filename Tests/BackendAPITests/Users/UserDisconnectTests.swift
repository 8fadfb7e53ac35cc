import ConnectProtocol
import ConnectTestStand
import MessageBus
import TestSupport
import Testing

@testable import BackendAPI

@Suite("A user that a backend disconnects", .timeLimit(.minutes(20)))
struct UserDisconnectTests {
  @Test("is disconnected on whichever gateways, with a goodbye and 4001; others stay")
  func disconnected() async throws {
    try await TestStand.withAPI(TestStand.Options(gateways: 2)) { stand, api in
      let phone = try await stand.online("bob", device: "phone", gateway: 0)
      let laptop = try await stand.online("bob", device: "laptop", gateway: 1)
      let tablet = try await stand.online("bob", device: "tablet", gateway: 1)
      let alice = try await stand.online("alice", gateway: 1)
      let one = try await api.ask(.disconnect("bob", "?device=laptop"))
      #expect(one.status == 202)
      #expect(one.body == "{\"connections\":1}\n")
      guard case .goodbye(4001, let wait) = try await laptop.expectFrame(type: "goodbye").frame
      else { throw TestFailure("a goodbye with 4001 was due") }
      #expect((0...1_000).contains(wait))
      #expect(try await laptop.expectClose(4001).contains("new token"))
      try await phone.expectOpen()
      try await tablet.expectOpen()

      try await eventually("the session of the laptop is gone") {
        try await stand.session("bob", device: "laptop") == nil
      }
      #expect(try await api.ask(.disconnect("bob")).body == "{\"connections\":2}\n")
      for socket in [phone, tablet] {
        _ = try await socket.expectFrame(type: "goodbye")
        try await socket.expectClose(4001)
      }
      try await alice.expectOpen()
      try await eventually("bob is nowhere") {
        try await api.ask(.disconnect("bob")).body == "{\"connections\":0}\n"
      }
      // Nothing is lost by it: the device goes on where it was.
      _ = try await api.ask(message("m-1"))
      try await eventually("it is in the mailbox") {
        try await stand.mailbox("bob").count == 1
      }
      let again = try await stand.connect("bob", device: "phone", gateway: 1)
      #expect(try await !again.expectWelcome().gap)
      #expect(try await again.expectMessage().id == "m-1")
    }
  }

  @Test("gets answers to what was sent before it is disconnected")
  func answered() async throws {
    var options = TestStand.Options(gateways: 1)
    // What is stored and is not answered in time would not be counted here.
    options.configure = { $0.answerMilliseconds = 60_000 }
    try await TestStand.withAPI(options) { stand, api in
      let bob = try await stand.online("bob")
      for number in 0..<50 { bob.sendMessage("m\(number)", to: "alice") }
      try await bob.expectAccepted("m0")
      #expect(try await api.ask(.disconnect("bob")).status == 202)
      var accepted = 1
      while true {
        let event = try await bob.next()
        if case .close(let code, _) = event {
          #expect(code == 4001)
          break
        }
        guard case .text(let text) = event else { continue }
        if text.contains(#""type":"accepted""#) { accepted += 1 }
      }
      try await eventually("all is processed") {
        try await stand.redis.length(of: stand.incoming("alice")) == 0
      }
      // What was accepted, and nothing that was not.
      #expect(try await stand.mailbox("alice").count == accepted)
    }
  }

  @Test("is forgotten by the registry where the gateway is gone")
  func stale() async throws {
    try await TestStand.withAPI { stand, api in
      let key = "\(stand.keys.session(UserName("bob")!))"
      try await stand.redis("HSET", key, "phone", "gone/c1")
      #expect(try await api.ask(.disconnect("bob")).body == "{\"connections\":0}\n")
      try await eventually("the session is gone") {
        try await stand.session("bob", device: "phone") == nil
      }
    }
  }
}
