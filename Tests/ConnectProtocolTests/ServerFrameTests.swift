import ConnectProtocol
import NIOCore
import Testing

@Suite("A server's frame")
struct ServerFrameTests {
  static let largest = Offset(milliseconds: .max, sequence: .max)
  static let user = UserName(String(repeating: "u", count: UserName.maximumLength))!
  static let device = DeviceName(String(repeating: "d", count: DeviceName.maximumLength))!
  static let id = MessageID(String(repeating: "i", count: MessageID.maximumLength))!

  static func welcome(
    _ text: String, number: Int, floor: Offset? = nil
  ) -> ServerFrame.Welcome {
    ServerFrame.Welcome(
      user: user, device: device, connection: text, gateway: text, offset: largest, gap: false,
      limits: .init(
        frameBytes: number, unacked: number, sendsPerSecond: number, requestsPerSecond: number,
        signalsPerSecond: number),
      pingSeconds: number, positions: .max, floor: floor, now: .max, retentionSeconds: number)
  }

  @Test("welcome is read as it was written")
  func welcome() throws {
    let worst = String(repeating: "\u{1}", count: 50)
    for text in ["", "gw-1", "\"é\\\n😀\u{7F}", worst] {
      for number in [0, 25, Int.max] {
        for floor in [nil, Self.largest] {
          let welcome = Self.welcome(text, number: number, floor: floor)
          #expect(try serverFrame(written { $0.writeWelcome(welcome) }) == .welcome(welcome))
        }
      }
    }
    var negative = ByteBuffer()
    negative.writeWelcome(Self.welcome(worst, number: .min, floor: Self.largest))
    #expect(String(buffer: negative).hasSuffix(#""retentionSeconds":-9223372036854775808}"#))
  }

  @Test("welcome is written as documented")
  func welcomeText() {
    let welcome = ServerFrame.Welcome(
      user: UserName("alice")!, device: .default, connection: "c1", gateway: "g1", offset: .zero,
      gap: true,
      limits: .init(
        frameBytes: 65536, unacked: 256, sendsPerSecond: 20, requestsPerSecond: 2,
        signalsPerSecond: 5),
      pingSeconds: 25, positions: 7, floor: Offset("8-9"), now: 1_732_226_000_000,
      retentionSeconds: 30)
    #expect(
      written { $0.writeWelcome(welcome) }
        == #"{"type":"welcome","user":"alice","device":"default","connection":"c1","gateway":"g1","#
        + #""offset":"0-0","gap":true,"limits":{"frameBytes":65536,"unacked":256,"#
        + #""sendsPerSecond":20,"requestsPerSecond":2,"signalsPerSecond":5},"pingSeconds":25,"positions":7,"floor":"8-9","#
        + #""now":1732226000000,"retentionSeconds":30}"#)
  }

  @Test("live is read as it was written")
  func live() throws {
    #expect(try serverFrame(written { $0.writeLive(Self.largest) }) == .live(Self.largest))
  }

  @Test("message is read as it was written")
  func message() throws {
    for body in ["null", #"{"text":"ж \u0000"}"#, "[\(String(repeating: "1,", count: 999))1]"] {
      for at in [0, 1_732_226_000_000, UInt64.max] {
        let text = withBytes(Self.user.text) { user in
          withBytes(Self.id.text) { id in
            withBytes(body) { body in
              written {
                $0.writeMessage(offset: Self.largest, from: user, id: id, at: at, body: body)
              }
            }
          }
        }
        guard case .message(let message) = try serverFrame(text) else {
          Issue.record("not a message")
          return
        }
        #expect(message.offset == Self.largest && message.at == at)
        #expect(message.from == Self.user && message.id == Self.id && !message.quiet)
        #expect(slice(text, message.body) == body)
      }
    }
  }

  /// A frame that names the user and the id.
  private func text(
    _ write: (inout ByteBuffer, UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Int
  ) -> String {
    withBytes(Self.user.text) { user in
      withBytes(Self.id.text) { id in written { write(&$0, user, id) } }
    }
  }

  @Test("message says that it is quiet only where it is")
  func quietMessage() throws {
    let text = withBytes("[1]") { body in
      self.text {
        $0.writeMessage(offset: Self.largest, from: $1, id: $2, at: 1, body: body, quiet: true)
      }
    }
    guard case .message(let message) = try serverFrame(text) else {
      Issue.record("not a message")
      return
    }
    #expect(message.quiet)
    #expect(slice(text, message.body) == "[1]")
  }

  @Test("sent is read as it was written")
  func sent() throws {
    let peerOffset = Offset(milliseconds: .max, sequence: 7)
    for quiet in [false, true] {
      for body in ["null", #"{"text":"ж \u0000"}"#, "[\(String(repeating: "1,", count: 999))1]"] {
        let text = withBytes(body) { body in
          self.text {
            $0.writeSent(
              offset: Self.largest, peerOffset: peerOffset, to: $1, id: $2, at: .max, body: body,
              quiet: quiet)
          }
        }
        guard case .sent(let sent) = try serverFrame(text) else {
          Issue.record("not a sent")
          return
        }
        let expected = ServerFrame.Sent(
          offset: Self.largest, peerOffset: peerOffset, to: Self.user, id: Self.id, at: .max,
          body: sent.body, quiet: quiet)
        #expect(sent == expected)
        #expect(slice(text, sent.body) == body)
      }
    }
  }

  @Test("position is read as it was written, with what it says and no more")
  func position() throws {
    let offsets: [Offset?] = [nil, Self.largest]
    for number in 0..<32 {
      func offset(_ bit: Int) -> Offset? { offsets[number >> bit & 1] }
      let position = ServerFrame.Position(
        peer: Self.user, delivered: offset(0), read: offset(1), mine: offset(2), floor: offset(3),
        stamp: .max, id: number & 16 == 0 ? nil : Self.id)
      let text = written { $0.writePosition(position) }
      #expect(try serverFrame(text) == .position(position))
    }
  }

  @Test("position is written as documented")
  func positionText() {
    let position = ServerFrame.Position(
      peer: UserName("bob")!, delivered: Offset("5-6"), mine: Offset("7-8"), stamp: 9,
      id: MessageID("r1"))
    #expect(
      written { $0.writePosition(position) }
        == #"{"type":"position","peer":"bob","delivered":"5-6","mine":"7-8","id":"r1","stamp":9}"#)
  }

  @Test("accepted is read as it was written")
  func accepted() throws {
    let text = withBytes(Self.id.text) { id in
      written { $0.writeAccepted(id: id, offset: Self.largest) }
    }
    #expect(try serverFrame(text) == .accepted(id: Self.id, offset: Self.largest))
  }

  @Test("rejected is read as it was written, for every code")
  func rejected() throws {
    let worst = String(repeating: "\u{1}", count: 200)
    for code in RejectionCode.allCases {
      for wait in [nil, 0, 1500, Int.max] {
        let text = written {
          $0.writeRejected(id: Self.id, code: code, message: worst, retryAfterMilliseconds: wait)
        }
        let expected = ServerFrame.Rejected(
          id: Self.id, code: code.rawValue, message: worst, retryable: code.isRetryable,
          retryAfterMilliseconds: wait)
        #expect(try serverFrame(text) == .rejected(expected))
      }
    }
  }

  @Test("pong, goodbye and error are read as they were written")
  func others() throws {
    for id in [nil, "", "p\"1\n", String(repeating: "\u{1}", count: 64)] {
      #expect(try serverFrame(written { $0.writePong(id: id) }) == .pong(id: id))
    }
    for wait in [0, 750, Int.max] {
      let text = written {
        $0.writeGoodbye(code: CloseCode(rawValue: .max), reconnectAfterMilliseconds: wait)
      }
      #expect(try serverFrame(text) == .goodbye(code: .max, reconnectAfterMilliseconds: wait))
    }
    for code in RejectionCode.allCases {
      let message = "`to` \"\\\u{1}é"
      let text = written { $0.writeError(code: code, message: message) }
      #expect(try serverFrame(text) == .error(code: code.rawValue, message: message))
    }
  }

  @Test("a refusal is written as documented")
  func refusal() {
    #expect(
      written { $0.writeRefusal(code: .tooManyConnections, message: "wait\n") }
        == #"{"code":"too_many_connections","message":"wait\n"}"#)
  }

  @Test("of a newer server is tolerated")
  func newer() throws {
    #expect(
      try serverFrame(#"{"type":"typing","from":"bob"}"#) == .unknown(type: "typing", offset: nil))
    #expect(try serverFrame(#"{"type":"é\n","offset":7}"#) == .unknown(type: "é\n", offset: nil))
    #expect(
      try serverFrame(#"{"x":{},"type":"error","code":"new_code","message":"","y":[1]}"#)
        == .error(code: "new_code", message: ""))
    #expect(
      try serverFrame(#"{"type":"goodbye","code":4777,"reconnectAfterMs":1,"why":null}"#)
        == .goodbye(code: 4777, reconnectAfterMilliseconds: 1))
    let welcome = Self.welcome("g", number: 5)
    let text = written { $0.writeWelcome(welcome) }
    let newer = text.replacing("\"limits\":{", with: "\"limits\":{\"more\":[{\"a\":{}}],")
    #expect(try serverFrame(newer) == .welcome(welcome))
  }

  @Test(
    "is malformed when a field is missing or of the wrong kind",
    arguments: [
      "", "[]", "{}", #"{"type":7}"#, #"{"type":"live"}"#, #"{"type":"live","offset":5}"#,
      #"{"type":"accepted","id":"a b","offset":"1-0"}"#, #"{"type":"accepted","offset":"1-0"}"#,
      #"{"type":"message","offset":"1-0","from":"bob","id":"m1","at":1}"#,
      #"{"type":"message","offset":"1-0","from":"b b","id":"m1","at":1,"body":0}"#,
      #"{"type":"message","offset":"1-0","from":"bob","id":"m1","at":-1,"body":0}"#,
      #"{"type":"message","offset":"1-0","from":"bob","id":"m1","at":1.0,"body":0}"#,
      #"{"type":"message","offset":"1-0","from":"bob","id":"m1","at":"1","body":0}"#,
      #"{"type":"message","offset":"1-0","from":"b","id":"m","at":18446744073709551616,"body":0}"#,
      #"{"type":"message","offset":"1-0","from":"b","id":"m","at":1,"body":0,"quiet":1}"#,
      #"{"type":"sent","offset":"1-0","to":"bob","id":"m1","at":1,"body":0}"#,
      #"{"type":"sent","peerOffset":"1-0","to":"bob","id":"m1","at":1,"body":0}"#,
      #"{"type":"sent","offset":"1-0","peerOffset":1,"to":"bob","id":"m1","at":1,"body":0}"#,
      #"{"type":"sent","offset":"1-0","peerOffset":"1-0","to":"b b","id":"m","at":1,"body":0}"#,
      #"{"type":"sent","offset":"1-0","peerOffset":"1-0","to":"b","id":"m","at":1}"#,
      #"{"type":"position","peer":"bob"}"#, #"{"type":"position","stamp":1}"#,
      #"{"type":"position","peer":"bob","stamp":"1"}"#,
      #"{"type":"position","peer":"bob","stamp":1,"read":1}"#,
      #"{"type":"position","peer":"bob","stamp":1,"mine":"1-"}"#,
      #"{"type":"position","peer":"bob","stamp":1,"id":"a b"}"#,
      #"{"type":"rejected","id":"m1","code":"c","message":"m","retryable":1}"#,
      #"{"type":"rejected","code":"c","message":"m","retryable":true}"#,
      #"{"type":"goodbye","code":65536,"reconnectAfterMs":1}"#,
      #"{"type":"goodbye","code":1012,"reconnectAfterMs":9223372036854775808}"#,
      #"{"type":"error","code":"c"}"#, #"{"type":"pong","id":7}"#, #"{"type":"welcome"}"#,
    ])
  func malformed(text: String) {
    #expect { try serverFrame(text) } throws: { ($0 as? FrameError)?.kind == .malformed }
  }

  @Test("tells where it is wrong in the terms of the whole frame")
  func positions() {
    let position = #"{"type":"position","peer":"bob","read":7,"stamp":1}"#
    #expect { try serverFrame(position) } throws: {
      ($0 as? FrameError)?.message == "`read` at byte 39 must be a string"
    }
  }

  @Test("is refused when it is not UTF-8")
  func notUTF8() {
    #expect { try serverFrame(Array(#"{"type":""#.utf8) + [0xC3, 0x28]) } throws: {
      ($0 as? FrameError)?.kind == .notUTF8
    }
  }
}
