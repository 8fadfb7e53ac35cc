import ConnectProtocol
import NIOCore
import Testing

@Suite("A client's frame")
struct ClientFrameTests {
  static let send = #"{"type":"send","id":"m1","to":"bob","body":{"text":"hi"}}"#

  @Test("send is read with its body's place")
  func send() throws {
    guard case .send(let send) = try clientFrame(Self.send) else {
      Issue.record("not a send")
      return
    }
    #expect(send.id.text == "m1")
    #expect(send.to.text == "bob")
    #expect(slice(Self.send, send.body) == #"{"text":"hi"}"#)
    #expect(!send.receipt && !send.copy && !send.quiet && send.retry == .no)
  }

  @Test(
    "has any JSON value as its body, byte for byte, without the space around",
    arguments: [
      "null", "true", "0", "-1.50e+3", "\"\"", "\"\\u00e9\\\"\"", "[]", "{}", "[ 1 , 2 ]",
      "{\"type\":\"ack\",\"id\":5,\"to\":[]}", "\"ж€😀\"", "{\n  \"a\" : [ ]\n}",
    ])
  func bodies(body: String) throws {
    for space in ["", " ", "\t\r\n "] {
      let text = #"{"type":"send","id":"m","to":"b","body":\#(space)\#(body)\#(space),"x":0}"#
      guard case .send(let send) = try clientFrame(text) else {
        Issue.record("not a send")
        return
      }
      #expect(slice(text, send.body) == body)
    }
  }

  @Test("has its fields in any order, unknown ones among them")
  func order() throws {
    let expected = try clientFrame(#"{"type":"ack","offset":"5-6"}"#)
    #expect(expected == .ack(Offset(milliseconds: 5, sequence: 6)))
    #expect(
      try clientFrame(#" { "new":[{}], "offset" : "5-6" , "" : 0, "type" : "ack" } "#) == expected)
    let members = [
      #""type":"send""#, #""id":"m1""#, #""to":"bob""#, #""body":7"#, #""retry":true"#,
    ]
    for shift in members.indices {
      let text = "{" + (members[shift...] + members[..<shift]).joined(separator: ",") + "}"
      guard case .send(let send) = try clientFrame(text) else {
        Issue.record("not a send")
        return
      }
      #expect(slice(text, send.body) == "7")
      #expect(send.id.text == "m1" && send.to.text == "bob" && send.retry == .yes)
    }
  }

  @Test("takes the last of duplicate fields")
  func duplicates() throws {
    let text = #"{"type":"ping","type":"ack","offset":5,"offset":"1-0","offset":"2-0"}"#
    #expect(try clientFrame(text) == .ack(Offset(milliseconds: 2, sequence: 0)))
    #expect(clientFrameError(#"{"type":"ack","offset":"1-0","offset":5}"#)?.kind == .malformed)
  }

  @Test("may escape its keys, type, id and recipient")
  func escapes() throws {
    let text =
      #"{"\u0074ype":"\u0073end","i\u0064":"m\u0031","\u0074\u006f":"b\u006Fb@x","#
      + #""bod\u0079":"\u0041"}"#
    guard case .send(let send) = try clientFrame(text) else {
      Issue.record("not a send")
      return
    }
    #expect(send.id.text == "m1")
    #expect(send.to.text == "bob@x")
    #expect(slice(text, send.body) == #""\u0041""#)
    #expect(
      try clientFrame(#"{"type":"ac\u006b","offset":"\u0031-\u0032"}"#) == .ack(Offset("1-2")!))
    #expect(clientFrameError(#"{"type":"send","id":"m\n","to":"b","body":0}"#)?.kind == .invalidID)
    #expect(
      clientFrameError(#"{"type":"send","id":"m","to":"\u0000","body":0}"#)?.kind
        == .invalidRecipient)
    #expect(clientFrameError(#"{"type":"send\u0000"}"#)?.kind == .unknownType)
  }

  @Test("reads its options as booleans, false when left out or null")
  func options() throws {
    for (json, expected) in [("true", true), ("false", false), ("null", false)] {
      let text =
        #"{"type":"send","id":"m","to":"b","body":0,"receipt":\#(json),"#
        + #""copy":\#(json),"quiet":\#(json),"retry":\#(json)}"#
      guard case .send(let send) = try clientFrame(text) else {
        Issue.record("not a send")
        return
      }
      #expect(send.receipt == expected && send.copy == expected && send.quiet == expected)
      #expect(send.retry == (expected ? .yes : .no))
    }
    for field in ["receipt", "copy", "quiet", "retry"] {
      for json in ["-1", "1.0", "18446744073709551616", "\"true\"", "[]", "{}"] {
        let error = clientFrameError(
          #"{"type":"send","id":"m","to":"b","body":0,"\#(field)":\#(json)}"#)
        #expect(error?.kind == .malformed)
        #expect(error?.messageID?.text == "m")
      }
    }
  }

  @Test("may say when a message was first sent, in milliseconds")
  func firstSent() throws {
    for time in [0, 1_732_226_000_000, .max] as [UInt64] {
      let text = #"{"type":"send","id":"m","to":"b","body":0,"retry":\#(time)}"#
      guard case .send(let send) = try clientFrame(text) else {
        Issue.record("not a send")
        return
      }
      #expect(send.retry == .firstSent(time))
    }
    for field in ["receipt", "copy", "quiet"] {
      let error = clientFrameError(#"{"type":"send","id":"m","to":"b","body":0,"\#(field)":1}"#)
      #expect(error?.kind == .malformed)
    }
  }

  @Test("read says whose messages are read how far, whether the peer is told, and its own id")
  func reads() throws {
    let bob = UserName("bob")!
    let place = Offset(milliseconds: 5, sequence: 6)
    #expect(
      try clientFrame(#"{"type":"read","peer":"bob","offset":"5-6"}"#)
        == .read(ClientFrame.Read(peer: bob, offset: place)))
    #expect(
      try clientFrame(
        #"{"private":null,"id":null,"offset":"5-6","peer":"b\u006fb","type":"read","to":7}"#)
        == .read(ClientFrame.Read(peer: bob, offset: place)))
    #expect(
      try clientFrame(#"{"type":"read","peer":"bob","offset":"5-6","private":true,"id":"r1"}"#)
        == .read(ClientFrame.Read(peer: bob, offset: place, isPrivate: true, id: MessageID("r1"))))
  }

  @Test("ping may have an id of up to 64 bytes")
  func pings() throws {
    #expect(try clientFrame(#"{"type":"ping"}"#) == .ping(id: nil))
    #expect(try clientFrame(#"{"type":"ping","id":null}"#) == .ping(id: nil))
    #expect(try clientFrame(#"{"type":"ping","id":""}"#) == .ping(id: ""))
    #expect(
      try clientFrame(#"{"type":"ping","id":"\"\\\/\b\f\n\r\t\u0001\ud83d\ude00é"}"#)
        == .ping(id: "\"\\/\u{8}\u{C}\n\r\t\u{1}😀é"))
    let longest = String(repeating: "x", count: ClientFrame.maximumPingIDLength)
    #expect(try clientFrame(#"{"type":"ping","id":"\#(longest)"}"#) == .ping(id: longest))
    #expect(clientFrameError(#"{"type":"ping","id":"\#(longest)x"}"#)?.kind == .invalidID)
    #expect(clientFrameError(#"{"type":"ping","id":7}"#)?.kind == .malformed)
  }

  @Test("is read as it was written")
  func roundTrips() throws {
    let longest = String(repeating: "z", count: 200)
    let user = UserName(String(longest.prefix(128)))!
    let id = MessageID(String(longest.prefix(64)))!
    for options in 0..<24 {
      let retry = [ClientFrame.Retry.no, .yes, .firstSent(.max)][options / 8]
      let body = #"{"text":"ж \u0000 \#(longest)"}"#
      let text = written {
        $0.writeSend(
          id: id, to: user, body: body.utf8, receipt: options & 1 != 0, copy: options & 2 != 0,
          quiet: options & 4 != 0, retry: retry)
      }
      guard case .send(let send) = try clientFrame(text) else {
        Issue.record("not a send")
        return
      }
      #expect(send.id == id && send.to == user)
      #expect(slice(text, send.body) == body)
      #expect(send.receipt == (options & 1 != 0))
      #expect(send.copy == (options & 2 != 0))
      #expect(send.quiet == (options & 4 != 0))
      #expect(send.retry == retry)
    }
    for (isPrivate, id) in [(false, nil), (true, nil), (false, id), (true, id)] {
      let read = ClientFrame.Read(
        peer: user, offset: Offset(milliseconds: .max, sequence: .max), isPrivate: isPrivate,
        id: id)
      #expect(try clientFrame(written { $0.writeRead(read) }) == .read(read))
    }
    for offset in [Offset.zero, Offset(milliseconds: .max, sequence: .max)] {
      #expect(try clientFrame(written { $0.writeAck(offset) }) == .ack(offset))
    }
    for id in [nil, "", "p1", "\"\\/\u{8}\u{C}\n\r\t\u{0}\u{1}\u{1F}\u{7F}é😀\u{2028}"] {
      #expect(try clientFrame(written { $0.writePing(id: id) }) == .ping(id: id))
    }
    let worst = String(repeating: "\u{1}", count: 10)
    #expect(try clientFrame(written { $0.writePing(id: worst) }) == .ping(id: worst))
  }

  @Test("is written the same from any collection of bytes")
  func bodyCollections() {
    let body = #"{"a":1}"#
    let id = MessageID("m")!
    let to = UserName("b")!
    let expected = #"{"type":"send","id":"m","to":"b","body":{"a":1}}"#
    #expect(written { $0.writeSend(id: id, to: to, body: body.utf8) } == expected)
    #expect(written { $0.writeSend(id: id, to: to, body: Array(body.utf8)) } == expected)
    #expect(
      written { $0.writeSend(id: id, to: to, body: Array(body.utf8).lazy.map { $0 }) } == expected)
    let buffer = ByteBuffer(string: body)
    #expect(written { $0.writeSend(id: id, to: to, body: buffer.readableBytesView) } == expected)
    withBytes(body) { bytes in
      #expect(written { $0.writeSend(id: id, to: to, body: bytes) } == expected)
    }
  }
}

@Suite("A client's frame that makes no sense")
struct ClientFrameErrorTests {
  @Test(
    "is malformed when it is not one object with its fields",
    arguments: [
      "", " ", "null", "[]", "\"send\"", "7", "{}", #"{"type":null}"#, #"{"type":7}"#,
      #"{"type":["send"]}"#, #"{"Type":"ping"}"#, #"{"type":"ack"}"#,
      #"{"type":"ack","offset":7}"#, #"{"type":"ack","offset":null}"#,
      #"{"type":"ack","offset":""}"#, #"{"type":"ack","offset":"1-"}"#,
      #"{"type":"ack","offset":"18446744073709551616-0"}"#, #"{"type":"send"}"#,
      #"{"type":"send","id":5,"to":"b","body":0}"#, #"{"type":"send","to":"b","body":0}"#,
      #"{"type":"ping"}{"type":"ping"}"#, #"{"type":"ping"},"#, #"{"type":"ping",}"#,
    ])
  func malformed(text: String) {
    let error = clientFrameError(text)
    #expect(error?.kind == .malformed)
    #expect(error?.code == .malformed)
    #expect(error?.messageID == nil)
  }

  static let largeBody = String(repeating: "7", count: ClientFrame.Signal.maximumBodyBytes + 1)
  static let manyUsers = String(repeating: ",\"b\"", count: ClientFrame.Presence.maximumUsers)

  @Test(
    "names its readable id, whatever it is",
    arguments: [
      (#"{"id":"m1"}"#, FrameError.Kind.malformed),
      (#"{"type":null,"id":"m1"}"#, .malformed),
      (#"{"id":"m1","type":7}"#, .malformed),
      (#"{"type":["ping"],"id":"m1"}"#, .malformed),
      (#"{"type":"ack","id":"m1"}"#, .malformed),
      (#"{"type":"ack","id":"m1","offset":7}"#, .malformed),
      (#"{"type":"newer","id":"m0","id":"m\u0031"}"#, .unknownType),
      (#"{"type":"send","id":"m1"}"#, .malformed),
      (#"{"type":"send","id":"m1","body":0}"#, .malformed),
      (#"{"type":"send","id":"m1","to":"b"}"#, .malformed),
      (#"{"type":"send","id":"m1","to":7,"body":0}"#, .malformed),
      (#"{"type":"send","id":"m1","to":null,"body":0}"#, .malformed),
      (#"{"type":"send","id":"m1","to":"","body":0}"#, .invalidRecipient),
      (#"{"type":"send","id":"m1","to":"a b","body":0}"#, .invalidRecipient),
      (#"{"to":"é","body":0,"id":"m1","type":"send"}"#, .invalidRecipient),
      (#"{"type":"send","id":"m1","to":"b","body":0,"retry":"0"}"#, .malformed),
      (#"{"type":"read","id":"m1"}"#, .malformed),
      (#"{"type":"read","id":"m1","peer":"b"}"#, .malformed),
      (#"{"type":"read","id":"m1","peer":"b","offset":5}"#, .malformed),
      (#"{"type":"read","id":"m1","peer":"b","offset":"5-"}"#, .malformed),
      (#"{"type":"read","id":"m1","offset":"5-6"}"#, .malformed),
      (#"{"type":"read","id":"m1","peer":"a b","offset":"5-6"}"#, .invalidRecipient),
      (#"{"type":"read","id":"m1","peer":"b","offset":"5-6","private":1}"#, .malformed),
      (#"{"type":"read","id":"m1","peer":"b","offset":"5-6","private":tru}"#, .malformed),
      (#"{"type":"conversations","id":"m1","limit":0}"#, .malformed),
      (#"{"type":"conversations","id":"m1","limit":51}"#, .malformed),
      (#"{"type":"conversations","id":"m1","before":"positions:07"}"#, .malformed),
      (#"{"type":"conversations","id":"m1","before":"positions:+7"}"#, .malformed),
      (#"{"type":"conversations","id":"m1","before":7}"#, .malformed),
      (#"{"type":"conversations","id":"m1","before":"7-"}"#, .malformed),
      (#"{"type":"history","id":"m1","limit":101}"#, .malformed),
      (#"{"type":"history","id":"m1","with":"a b"}"#, .invalidRecipient),
      (#"{"type":"history","id":"m1","before":"positions:7"}"#, .malformed),
      (#"{"type":"signal","id":"m1","to":"b"}"#, .malformed),
      (#"{"type":"signal","id":"m1","name":"typing"}"#, .malformed),
      (#"{"type":"signal","id":"m1","to":"a b","name":"typing"}"#, .invalidRecipient),
      (#"{"type":"signal","id":"m1","to":"b","name":"a b"}"#, .malformed),
      (#"{"type":"signal","id":"m1","to":"b","name":"n","body":\#(largeBody)}"#, .tooLarge),
      (#"{"type":"presence","id":"m1"}"#, .malformed),
      (#"{"type":"presence","id":"m1","users":"b"}"#, .malformed),
      (#"{"type":"presence","id":"m1","users":["b",7]}"#, .malformed),
      (#"{"type":"presence","id":"m1","users":["b","a b"]}"#, .invalidRecipient),
      (#"{"type":"presence","id":"m1","users":["b"],"watch":1}"#, .malformed),
      (#"{"type":"presence","id":"m1","users":["b"\#(manyUsers)]}"#, .malformed),
      (#"{"type":"history","id":"m1","with":tru}"#, .malformed),
    ])
  func messageIDs(text: String, kind: FrameError.Kind) {
    let error = clientFrameError(text)
    #expect(error?.kind == kind)
    #expect(error?.messageID?.text == "m1")
  }

  @Test("has an invalid id when that is none")
  func invalidIDs() {
    for id in ["", "a b", "é", "a@b", String(repeating: "a", count: 65)] {
      let error = clientFrameError(#"{"type":"send","id":"\#(id)","to":"b","body":0}"#)
      #expect(error?.kind == .invalidID)
      #expect(error?.code == .invalidID)
      #expect(error?.messageID == nil)
      let read = clientFrameError(#"{"type":"read","id":"\#(id)","peer":"b","offset":"5-6"}"#)
      #expect(read?.kind == .invalidID)
      #expect(read?.messageID == nil)
    }
  }

  @Test("has an unknown type when this release does not serve it")
  func unknownTypes() {
    for type in ["reads", "typing", "presences", "message", "", "SEND", "send ", "sen"] {
      let error = clientFrameError(#"{"type":"\#(type)","id":"m1","to":"b","body":0}"#)
      #expect(error?.kind == .unknownType)
      #expect(error?.code == .unknownType)
      #expect(error?.messageID?.text == "m1")
    }
    for id in ["", "a b", String(repeating: "a", count: 65)] {
      let error = clientFrameError(#"{"type":"newer","id":"\#(id)"}"#)
      #expect(error?.kind == .unknownType)
      #expect(error?.messageID == nil)
    }
    #expect(clientFrameError(#"{"type":"newer","id":7}"#)?.messageID == nil)
  }

  @Test("names nothing when it is a ping, whose id may be that of a message by chance")
  func ping() {
    for text in [#"{"type":"ping","id":"m1""#, #"{"type":"p\u0069ng","id":"m1","x":01}"#] {
      let error = clientFrameError(text)
      #expect(error?.kind == .malformed)
      #expect(error?.messageID == nil)
    }
  }

  static let deep = String(repeating: "[", count: 512) + String(repeating: "]", count: 512)

  @Test(
    "names the message when the JSON around a readable id is broken, on either side of it",
    arguments: [
      #"{"type":"send","id":"m1","to":"b","body":{"text":"\ud83d"}}"#,
      #"{"type":"send","id":"m1","to":"b","body":{"\udc00":[1,"]}"]}}"#,
      #"{"body":{"text":"\ud83d \" ] }"},"id":"m1","to":"b","type":"send"}"#,
      #"{"type":"send","id":"m1","to":"b","body":\#(deep)}"#,
      #"{"body":\#(deep),"id":"m\u0031","to":"b","t\u0079pe":"send"}"#,
      #"{"type":"send","id":"m1","to":"b","body":01}"#,
      #"{"type":"send","id":"m1","to":"b","body":tru}"#,
      #"{"body":nul,"type":"send","id":"m1","to":"b"}"#,
      #"{"type":"send","id":"m1","to":"\ud83d","body":0}"#,
      #"{"\ud83d":0,"type":"send","id":"m1","to":"b","body":0}"#,
      #"{"type":"send","id":"m1","to":"b","body":"\x"}"#,
      "{\"type\":\"send\",\"id\":\"m1\",\"to\":\"b\",\"body\":\"a\nb\"}",
      #"{"type":"send","id":"m1","to":"b","body":0"#,
      #"{"type":"send","id":"m1","to":"b","body":"cut sho"#,
      #"{"type":"send","id":"m1","to":"b","body":0,}"#,
      #"{"type":"send","id":"m1","to":"b","body":0}}"#,
      #"{"type":"send","id":"m0","id":"m1","to":"b","body":0} x"#,
      #"{"type":"ack","id":"m1","body":01}"#, #"{"type":"newer","id":"m1","body":01}"#,
    ])
  func brokenJSON(text: String) {
    let error = clientFrameError(text)
    #expect(error?.kind == .malformed)
    #expect(error?.messageID?.text == "m1")
  }

  @Test(
    "names nothing when its JSON is broken and there is no readable id and type",
    arguments: [
      #"{"type":"send","to":"b","body":{"id":"m1","x":"\ud83d"}}"#,
      #"{"type":"send","id":"m\ud83d","to":"b","body":0}"#,
      #"{"type":"send","id":"m 1","to":"b","body":01}"#,
      #"{"type":"send","id":["m1"],"to":"b","body":01}"#,
      #"{"type":"send","id":"m1"#, #"{"type":"send","id":"#, #"{"type":"send",}"#,
      #"{"type":"ping","id":"m1","body":01}"#, #"{"id":"m1","body":01}"#,
      #"{"type":["send"],"id":"m1","body":01}"#, #"["type","send",{"id":"m1"}]"#,
    ])
  func brokenJSONOfNobody(text: String) {
    let error = clientFrameError(text)
    #expect(error?.kind == .malformed)
    #expect(error?.messageID == nil)
  }

  @Test("that is not UTF-8 says so, and names no message")
  func notUTF8() {
    let bytes =
      Array(#"{"type":"send","id":"m1","to":"b","body":"\ud83d"#.utf8) + [0xFF, 0x22, 0x7D]
    #expect(clientFrameError(bytes)?.kind == .notUTF8)
    #expect(clientFrameError(bytes)?.messageID == nil)
  }

  @Test("is described by a short sentence that quotes nothing of it")
  func messages() {
    #expect(
      clientFrameError(#"{"type":"send","id":"m1","to":"a b","body":0}"#)?.message
        == "`to` at byte 30 must be 1 to 128 of A-Z a-z 0-9 . _ - @ + :")
    #expect(
      clientFrameError(#"{"type":"secret"}"#)?.message
        == "`type` at byte 8 must be send, ack, read, ping, conversations, history, signal or "
        + "presence")
    #expect(clientFrameError("{}")?.message == "`type` is missing")
    #expect(clientFrameError("secret")?.description == "expected an object at byte 0")
    let huge = String(repeating: "x", count: 100_000)
    #expect(clientFrameError(#"{"type":"\#(huge)"}"#).map { $0.message.utf8.count < 100 } == true)
  }

  @Test("may be a null pointer")
  func nothing() {
    let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
    #expect(throws: FrameError.self) { try ClientFrame.scan(nothing) }
    #expect(throws: FrameError.self) { try ServerFrame.scan(nothing) }
    #expect(throws: FrameError.self) { try JSONBody.check(nothing) }
    #expect(UserName(utf8: nothing) == nil)
    #expect(Offset(utf8: nothing) == nil)
  }

  @Test("is refused at every length short of the whole")
  func truncated() {
    let bytes = Array(ClientFrameTests.send.utf8)
    for length in bytes.indices {
      #expect(clientFrameError(Array(bytes[..<length]))?.kind == .malformed)
    }
  }
}
