import ConnectTestStand
import Gateway
import Testing

@Suite("An upgrade that is right")
struct HandshakeTests {
  @Test("is answered as RFC 6455 has it")
  func answer() async throws {
    let stand = try await TestStand.shared()
    let (socket, answer) = try await TestSocket.upgrade(
      port: stand.gateways[0].port, try await stand.request("handshake"))
    #expect(answer.status == 101)
    #expect(answer["upgrade"]?.lowercased() == "websocket")
    #expect(answer["connection"]?.lowercased() == "upgrade")
    #expect(answer["sec-websocket-accept"] == UpgradeRequest.expectedAccept)
    #expect(answer["sec-websocket-extensions"] == nil)
    #expect(answer["sec-websocket-protocol"] == nil, "none was offered")
    try await socket.expectWelcome()
  }

  @Test("may name scheme and host with its path, as RFC 9112 has it")
  func absoluteTarget() async throws {
    let stand = try await TestStand.shared()
    var request = try await stand.request("absolute")
    request.target = "http://localhost\(request.target)?device=phone"
    let (socket, _) = try await TestSocket.upgrade(port: stand.gateways[0].port, request)
    #expect(try await socket.expectWelcome().device.text == "phone")
  }

  @Test("is answered with the subprotocol and never with the token", arguments: [true, false])
  func subprotocol(tokenFirst: Bool) async throws {
    let stand = try await TestStand.shared()
    let user = "subprotocol.\(tokenFirst)"
    let token = try await stand.token(user)
    var request = UpgradeRequest()
    request["Sec-WebSocket-Protocol"] =
      tokenFirst
      ? "connect.bearer.\(token), connect.v1.json" : "connect.v1.json, connect.bearer.\(token)"
    let (socket, answer) = try await TestSocket.upgrade(port: stand.gateways[0].port, request)
    #expect(
      answer.headers.filter { $0.name == "sec-websocket-protocol" }.map(\.value) == [
        "connect.v1.json"
      ])
    #expect(!answer.headers.contains { $0.value.contains(token) })
    #expect(try await socket.expectWelcome().user.text == user)
  }

  @Test("may name the subprotocols in several fields, and offer unknown ones beside")
  func severalFields() async throws {
    let stand = try await TestStand.shared()
    var request = UpgradeRequest()
    request.headers += [
      ("Sec-WebSocket-Protocol", "connect.v9.cbor"),
      ("Sec-WebSocket-Protocol", "connect.bearer.\(try await stand.token("fields"))"),
      ("Sec-WebSocket-Protocol", "connect.v1.json"),
    ]
    let (socket, answer) = try await TestSocket.upgrade(port: stand.gateways[0].port, request)
    #expect(answer["sec-websocket-protocol"] == "connect.v1.json")
    try await socket.expectWelcome()
  }

  @Test("is welcomed with who it is, where it is and what it must keep to")
  func welcome() async throws {
    let stand = try await TestStand.shared()
    let socket = try await stand.connect("welcome.fields", device: "phone-1", gateway: 1)
    let welcome = try await socket.expectWelcome()
    #expect(welcome.user.text == "welcome.fields")
    #expect(welcome.device.text == "phone-1")
    #expect(welcome.gateway == "g2")
    #expect(welcome.offset == .zero)
    #expect(!welcome.gap)
    #expect(welcome.limits.frameBytes == 65_536)
    #expect(welcome.limits.unacked == 256)
    #expect(welcome.limits.sendsPerSecond == 100)
    #expect(welcome.pingSeconds == 25)
    #expect(
      try await stand.session("welcome.fields", device: "phone-1") == "g2/\(welcome.connection)")
    #expect(try await socket.expectLive() == .zero)
  }

  @Test("without a device is the device called default")
  func defaultDevice() async throws {
    let stand = try await TestStand.shared()
    let socket = try await stand.connect("no.device")
    #expect(try await socket.expectWelcome().device.text == "default")
  }

  @Test("may be in any case, offer extensions, and carry fields nobody knows")
  func leniency() async throws {
    let stand = try await TestStand.shared()
    var request = UpgradeRequest(device: "d%61")
    request.target += "&unknown=%20"
    request["Connection"] = "keep-alive, UPGRADE"
    request["Upgrade"] = "WebSocket"
    request["Authorization"] = "bearer \(try await stand.token("lenient"))"
    request["Sec-WebSocket-Extensions"] = "permessage-deflate; client_max_window_bits"
    request["X-Unknown"] = "1"
    let (socket, answer) = try await TestSocket.upgrade(port: stand.gateways[0].port, request)
    #expect(answer["sec-websocket-extensions"] == nil, "none is supported")
    #expect(try await socket.expectWelcome().device.text == "da")
  }

  @Test(
    "may have spaces and tabs around each value, which are not part of it", arguments: [" ", "\t "])
  func whitespace(around space: String) async throws {
    var options = TestStand.Options(gateways: 1)
    options.configure = { $0.allowedOrigins = try! AllowedOrigins("https://chat.example") }
    try await TestStand.with(options) { stand in
      var request = try await stand.request("spaced")
      request.headers += [
        ("Origin", "https://chat.example"), ("Sec-WebSocket-Protocol", "a ,connect.v1.json"),
      ]
      request.headers = request.headers.map { name, value in
        // With a tab behind this one it is refused.
        (name, "\(space)\(value)\(name == "Connection" ? " " : space)")
      }
      let (socket, answer) = try await TestSocket.upgrade(port: stand.gateways[0].port, request)
      #expect(answer["sec-websocket-accept"] == UpgradeRequest.expectedAccept)
      #expect(answer["sec-websocket-protocol"] == "connect.v1.json")
      #expect(try await socket.expectWelcome().user.text == "spaced")
    }
  }

  @Test("takes the token of a subprotocol where the browser adds the password of a site")
  func password() async throws {
    let stand = try await TestStand.shared()
    let token = try await stand.token("staging")
    for password in ["Basic c3RhZ2luZzpzZWNyZXQ=", "Digest username=\"a\", uri=\"/\"", ""] {
      var request = UpgradeRequest()
      request["Authorization"] = password
      request["Sec-WebSocket-Protocol"] = "connect.v1.json, connect.bearer.\(token)"
      let (socket, _) = try await TestSocket.upgrade(port: stand.gateways[0].port, request)
      #expect(try await socket.expectWelcome().user.text == "staging")
    }
  }

  @Test("is served what came right behind it, in the same packet")
  func earlyFrames() async throws {
    let stand = try await TestStand.shared()
    let socket = try await TestSocket.open(port: stand.gateways[0].port)
    let frame = RawFrame(opcode: 1, payload: Array(#"{"type":"ping","id":"early"}"#.utf8))
    socket.sendRaw(Array(try await stand.request("early").text.utf8) + frame.bytes)
    #expect(try await socket.readHead().status == 101)
    try await socket.startFrames()
    try await socket.expectWelcome()
    var types: Set<String> = []
    for _ in 0..<2 { types.insert(try await socket.expectFrame().type) }
    #expect(types == ["pong", "live"])
  }
}
