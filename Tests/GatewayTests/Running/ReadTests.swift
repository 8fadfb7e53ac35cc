import ConnectProtocol
import ConnectTestStand
import Gateway
import MessageBus
import TestSupport
import Testing

extension TestSocket {
  /// Sends a `read`.
  func read(
    _ offset: Offset, of peer: String, id: String? = nil, isPrivate: Bool = false
  ) {
    let id = id.map { #","id":"\#($0)""# } ?? ""
    self.sendText(
      #"{"type":"read","peer":"\#(peer)","offset":"\#(offset)","private":\#(isPrivate)\#(id)}"#)
  }
}

@Suite("What a user has read")
struct ReadTests {
  @Test("is told the peer and the user's other devices, stored, and answered by its id")
  func told() async throws {
    let stand = try await TestStand.shared()
    let alice = try await stand.online("read.alice")
    let phone = try await stand.online("read.bob", device: "phone")
    let tablet = try await stand.online("read.bob", device: "tablet", gateway: 1)
    let offset = try await stand.sendReceipts(1, from: alice, to: "read.bob")[0]
    for device in [phone, tablet] { #expect(try await device.expectMessage().offset == offset) }
    phone.read(offset, of: "read.alice", id: "r1")
    let answer = try await phone.expectPosition()
    #expect(answer.peer.text == "read.alice")
    #expect(answer.mine == offset)
    #expect(answer.id?.text == "r1")
    let other = try await tablet.expectPosition()
    #expect(other.mine == offset)
    #expect(other.id == nil)
    // Nobody has acked it: who has read it has it.
    let told = try await alice.expectPosition()
    #expect(told.peer.text == "read.bob")
    #expect(told.delivered == offset)
    #expect(told.read == offset)
    #expect(told.mine == nil)
    let row = try await stand.position("read.alice", of: "read.bob")
    #expect(row?.hasPrefix("0-0 0-0 \(offset) ") == true)
  }

  @Test("is answered even if it says nothing new, and then nobody is told")
  func unmoved() async throws {
    let stand = try await TestStand.shared()
    let alice = try await stand.online("same.alice")
    let bob = try await stand.online("same.bob")
    let offset = try await stand.sendReceipts(1, from: alice, to: "same.bob")[0]
    _ = try await bob.expectMessage()
    bob.read(offset, of: "same.alice", id: "r1")
    let first = try await bob.expectPosition()
    _ = try await alice.expectPosition()
    for id in ["r2", "r3"] {
      bob.read(offset, of: "same.alice", id: id)
      let again = try await bob.expectPosition()
      #expect(again.id?.text == id)
      #expect(again.mine == offset)
      #expect(again.stamp >= first.stamp)
    }
    try await alice.expectOpen()
  }

  @Test("is answered though the mailbox is empty and there is no position to tell")
  func empty() async throws {
    let stand = try await TestStand.shared()
    let bob = try await stand.online("none.bob")
    for (id, isPrivate) in [("r1", false), ("r2", true)] {
      bob.read(Offset("7-0")!, of: "none.alice", id: id, isPrivate: isPrivate)
      let answer = try await bob.expectPosition()
      let expected = ServerFrame.Position(
        peer: UserName("none.alice")!, stamp: 0, id: MessageID(id)!)
      #expect(answer == expected)
    }
    #expect(try await stand.position("none.alice", of: "none.bob") == nil)
    try await bob.expectOpen()
  }

  @Test("in private is stored and answered, and not told the peer")
  func privately() async throws {
    try await TestStand.with { stand in
      let alice = try await stand.online("alice")
      let bob = try await stand.online("bob")
      let offset = try await stand.sendReceipts(1, from: alice, to: "bob")[0]
      _ = try await bob.expectMessage()
      let added = try await stand.entriesAdded(for: "alice")
      bob.read(offset, of: "alice", id: "r1", isPrivate: true)
      let answer = try await bob.expectPosition()
      #expect(answer.id?.text == "r1")
      #expect(answer.mine == offset)
      #expect(try await stand.entriesAdded(for: "alice") == added)
      #expect(try await stand.position("bob", of: "alice") == nil)
      try await alice.expectOpen()
    }
  }

  @Test("is at most what is in the mailbox")
  func clipped() async throws {
    let stand = try await TestStand.shared()
    let alice = try await stand.online("clip.alice")
    let bob = try await stand.online("clip.bob")
    let offset = try await stand.sendReceipts(1, from: alice, to: "clip.bob")[0]
    _ = try await bob.expectMessage()
    bob.read(Offset(milliseconds: .max, sequence: .max), of: "clip.alice", id: "r1")
    #expect(try await bob.expectPosition().mine == offset)
    let told = try await alice.expectPosition()
    #expect(told.read == offset)
    #expect(told.delivered == offset)
  }

  @Test("may be what was not sent here yet: the peer's newest message there counts as delivered")
  func notSentYet() async throws {
    var options = TestStand.Options()
    options.configure = { $0.unackedMessages = 1 }
    try await TestStand.with(options) { stand in
      let alice = try await stand.online("alice")
      let carol = try await stand.online("carol")
      var offsets: [Offset] = []
      for number in 0..<25 {
        let sender = number == 3 ? alice : carol
        sender.sendMessage("\(number)", to: "bob", also: #","receipt":\#(number == 3)"#)
        offsets.append(try await sender.expectAccepted("\(number)"))
      }
      try await eventually("all is in the mailbox") { try await stand.mailbox("bob").count == 25 }
      let bob = try await stand.connect("bob")
      try await bob.expectWelcome()
      #expect(try await bob.expectMessage().offset == offsets[0])
      bob.read(offsets[20], of: "alice", id: "r1")
      let answer = try await bob.expectPosition()
      #expect(answer.id?.text == "r1")
      #expect(answer.mine == offsets[20])
      let told = try await alice.expectPosition()
      #expect(told.delivered == offsets[3])
      #expect(told.read == offsets[20])
      try await bob.expectOpen()
    }
  }

  @Test("costs as much as a send, and telling the peer no more")
  func cost() async throws {
    var options = TestStand.Options()
    options.configure = { $0.sendsPerSecond = 50 }
    try await TestStand.with(options) { stand in
      let bob = try await stand.online("bob")
      let alice = try await stand.online("alice")
      alice.sendMessage("m", to: "bob")
      let offset = try await bob.expectMessage().offset
      for number in 0..<40 { bob.read(offset, of: "peer\(number)") }
      for number in 0..<60 { bob.sendMessage("m\(number)", to: "carol") }
      var accepted = 0
      while accepted < 60 {
        switch try await bob.expectFrame().frame {
        case .accepted: accepted += 1
        case .position: break
        case let frame: throw TestFailure("neither an answer to a read nor accepted: \(frame)")
        }
      }
    }
  }

  @Test(
    "is refused while too many are not answered, be it for what was sent or not",
    arguments: ["1-0", "99-0"])
  func unanswered(text: String) async throws {
    var options = TestStand.Options()
    options.clients = { PatientClients($0) }
    options.configure = { $0.sendsPerSecond = 0 }
    try await TestStand.with(options) { stand in
      let mailbox = "\(stand.keys.mailbox(UserName("bob")!))"
      try await stand.redis("XADD", mailbox, "7-0", "no", "message")
      let bob = try await stand.online("bob")
      stand.server.pause()
      let offset = try #require(Offset(text))
      let maximum = GatewayLimits.unansweredReads
      for number in 0..<maximum + 50 {
        let id = number % 2 == 0 ? "r\(number)" : nil
        bob.read(offset, of: "peer\(number)", id: id, isPrivate: number % 3 == 0)
      }
      for number in maximum..<maximum + 50 {
        if number % 2 == 0 {
          let rejected = try await bob.expectRejected("r\(number)")
          #expect(rejected.code == "overloaded")
          #expect(rejected.retryable)
          #expect((1_000...2_000).contains(rejected.retryAfterMilliseconds ?? 0))
        } else {
          #expect(try await bob.expectError() == "overloaded")
        }
      }
      stand.server.resume()
      var answered: Set<String> = []
      while answered.count < maximum / 2 {
        let answer = try await bob.expectPosition()
        #expect(answer.mine == min(offset, Offset("7-0")!))
        if let id = answer.id { answered.insert(id.text) }
      }
      #expect(answered == Set((0..<maximum / 2).map { "r\(2 * $0)" }))
      try await eventually("the next is taken") {
        bob.read(offset, of: "peer0", id: "next")
        while true {
          switch try await bob.expectFrame().frame {
          case .position(let position) where position.id?.text == "next": return true
          case .rejected: return false
          default: break
          }
        }
      }
    }
  }

  @Test("is refused faster than the user may send, by its id; an error without one is harmless")
  func limited() async throws {
    var options = TestStand.Options()
    options.configure = { $0.sendsPerSecond = 1 }
    try await TestStand.with(options) { stand in
      let bob = try await stand.online("bob")
      for number in 0..<60 {
        bob.read(Offset("1-0")!, of: "alice", id: number % 2 == 0 ? "r\(number)" : nil)
      }
      var rejected = 0
      var errors = 0
      for _ in 0..<60 {
        switch try await bob.expectFrame().frame {
        case .rejected(let rejection):
          #expect(rejection.code == "rate_limited")
          #expect(rejection.id.text.hasPrefix("r"))
          #expect((rejection.retryAfterMilliseconds ?? 0) > 0)
          rejected += 1
        case .error(let code, _):
          #expect(code == "rate_limited")
          errors += 1
        case .position: break
        default: Issue.record("neither taken nor refused")
        }
      }
      #expect(rejected > 20)
      #expect(errors > 20)
      bob.sendText(#"{"type":"ping","id":"end"}"#)
      while try await bob.expectFrame().type != "pong" {}
    }
  }

  @Test("of oneself is refused")
  func oneself() async throws {
    let stand = try await TestStand.shared()
    let bob = try await stand.online("own.bob")
    bob.read(Offset("1-0")!, of: "own.bob", id: "r1")
    let rejected = try await bob.expectRejected("r1")
    #expect(rejected.code == "invalid_recipient")
    #expect(!rejected.retryable)
    bob.read(Offset("1-0")!, of: "own.bob")
    #expect(try await bob.expectError() == "invalid_recipient")
    try await bob.expectOpen()
  }
}

@Suite("A message that its sender's devices are to see")
struct SentTests {
  @Test("comes to all of them, with its place in the recipient's mailbox, quiet if that was")
  func copies() async throws {
    let stand = try await TestStand.shared()
    let phone = try await stand.online("sent.alice", device: "phone")
    let tablet = try await stand.online("sent.alice", device: "tablet", gateway: 1)
    let bob = try await stand.online("sent.bob")
    for (number, quiet) in [false, true].enumerated() {
      phone.sendMessage(
        "m\(number)", to: "sent.bob", body: "[1]", also: #","copy":true,"quiet":\#(quiet)"#)
      let message = try await bob.expectFrame(type: "message")
      guard case .message(let read) = message.frame else { throw TestFailure(message.text) }
      #expect(read.quiet == quiet)
      let own = [try await phone.expectFrame(), try await phone.expectFrame()]
      #expect(Set(own.map(\.type)) == ["accepted", "sent"])
      let copy = try await tablet.expectSent()
      #expect(copy.peerOffset == read.offset)
      #expect(copy.at == read.offset.milliseconds)
      #expect(copy.to == "sent.bob")
      #expect(copy.id == "m\(number)")
      #expect(copy.body == "[1]")
      #expect(copy.quiet == quiet)
      tablet.ack(copy.offset)
    }
    let later = try await stand.connect("sent.alice", device: "later")
    try await later.expectWelcome()
    for number in 0..<2 { #expect(try await later.expectSent().id == "m\(number)") }
    try await later.expectLive()
  }
}
