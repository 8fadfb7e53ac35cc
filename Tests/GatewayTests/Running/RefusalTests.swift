import ConnectTestStand
import Foundation
import Gateway
import LocalRedis
import TestSupport
import Testing

@Suite("A gateway refuses")
struct RefusalTests {
  /// Checks what all refusals have in common.
  private func expect(
    _ answer: HTTPAnswer, _ status: Int, _ code: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    #expect(answer.status == status, sourceLocation: sourceLocation)
    #expect(answer["content-type"] == "application/json", sourceLocation: sourceLocation)
    #expect(answer["connection"] == "close", sourceLocation: sourceLocation)
    #expect(answer["content-length"] == "\(answer.body.utf8.count)", sourceLocation: sourceLocation)
    #expect(answer.body.hasSuffix("}\n"), sourceLocation: sourceLocation)
    #expect(answer.body.filter { $0 == "\n" }.count == 1, sourceLocation: sourceLocation)
    let body = try #require(
      try JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: String],
      sourceLocation: sourceLocation)
    #expect(body["code"] == code, sourceLocation: sourceLocation)
    #expect(body["message"]?.isEmpty == false, sourceLocation: sourceLocation)
    #expect(body.count == 2, sourceLocation: sourceLocation)
    #expect(
      answer["www-authenticate"] == (status == 401 ? "Bearer" : nil),
      sourceLocation: sourceLocation)
    #expect(
      (answer["retry-after"] != nil) == (status == 429 || status == 503),
      sourceLocation: sourceLocation)
  }

  // MARK: 400

  @Test(
    "a device that is none, with 400",
    arguments: [
      "", "a%20b", "a/b", "%C3%A4", "a:b", "%", "%g0", "%C3", String(repeating: "d", count: 65),
    ])
  func device(_ device: String) async throws {
    let stand = try await TestStand.shared()
    try self.expect(
      await stand.refusal(of: stand.request("bad", device: device)), 400, "malformed")
  }

  @Test(
    "a since that is not an offset, with 400",
    arguments: ["", "-1", "1-", "-", "1-2-3", "x", "1%2D", "18446744073709551616", "0x10"])
  func since(_ since: String) async throws {
    let stand = try await TestStand.shared()
    try self.expect(await stand.refusal(of: stand.request("bad", since: since)), 400, "malformed")
  }

  @Test("subprotocols of which it knows none, with 400", arguments: ["connect.v2.json", "chat, x"])
  func subprotocol(_ offers: String) async throws {
    let stand = try await TestStand.shared()
    var request = try await stand.request("bad")
    request["Sec-WebSocket-Protocol"] = offers
    try self.expect(await stand.refusal(of: request), 400, "malformed")
  }

  @Test("a token without the subprotocol beside it, with 400")
  func onlyToken() async throws {
    let stand = try await TestStand.shared()
    var request = UpgradeRequest()
    request["Sec-WebSocket-Protocol"] = "connect.bearer.\(try await stand.token("bad"))"
    try self.expect(await stand.refusal(of: request), 400, "malformed")
  }

  @Test("another version of WebSocket, with 400 and the version that it speaks")
  func version() async throws {
    let stand = try await TestStand.shared()
    for version in ["8", "14", "x", ""] {
      var request = try await stand.request("bad")
      request["Sec-WebSocket-Version"] = version
      let answer = try await stand.refusal(of: request)
      try self.expect(answer, 400, "malformed")
      #expect(answer["sec-websocket-version"] == "13", "RFC 6455, section 4.2.2")
    }
  }

  @Test(
    "an upgrade without version or key, or with two keys, with 400",
    arguments: ["Sec-WebSocket-Version", "Sec-WebSocket-Key"])
  func missing(_ field: String) async throws {
    let stand = try await TestStand.shared()
    var request = try await stand.request("bad")
    request[field] = nil
    try self.expect(await stand.refusal(of: request), 400, "malformed")
    request = try await stand.request("bad")
    request.headers.append((field, request[field] ?? ""))
    try self.expect(await stand.refusal(of: request), 400, "malformed")
  }

  @Test("an upgrade that is not a GET, or of an older HTTP, with 400")
  func method() async throws {
    let stand = try await TestStand.shared()
    var request = try await stand.request("bad")
    request.method = "DELETE"
    try self.expect(await stand.refusal(of: request), 400, "malformed")
    request = try await stand.request("bad")
    request.version = "HTTP/1.0"
    try self.expect(await stand.refusal(of: request), 400, "malformed")
  }

  @Test("an upgrade without a Host, or with two, or with a key that is not 16 bytes, with 400")
  func hostAndKey() async throws {
    let stand = try await TestStand.shared()
    var request = try await stand.request("bad")
    request["Host"] = nil
    try self.expect(await stand.refusal(of: request), 400, "malformed")
    request.headers += [("Host", "localhost"), ("Host", "localhost")]
    try self.expect(await stand.refusal(of: request), 400, "malformed")
    for key in ["", "x", "dGhlIHNhbXBsZSBub25jZTEyMzQ="] {
      request = try await stand.request("bad")
      request["Sec-WebSocket-Key"] = key
      try self.expect(await stand.refusal(of: request), 400, "malformed")
    }
  }

  // MARK: 401

  @Test("who has no token, with 401")
  func noToken() async throws {
    let stand = try await TestStand.shared()
    try self.expect(await stand.refusal(of: UpgradeRequest()), 401, "unauthorized")
    var request = UpgradeRequest()
    request["Sec-WebSocket-Protocol"] = "connect.v1.json"
    try self.expect(await stand.refusal(of: request), 401, "unauthorized")
  }

  @Test("a token in the URL, with 401")
  func tokenInURL() async throws {
    let stand = try await TestStand.shared()
    var request = UpgradeRequest()
    request.target += "?token=\(try await stand.token("bad"))"
    try self.expect(await stand.refusal(of: request), 401, "unauthorized")
  }

  @Test(
    "an Authorization that is not a bearer token, with 401",
    arguments: ["", "Bearer", "Bearer ", "Basic YTpi", "token", "Bearer a b", "Bearer a.b.c"])
  func authorization(_ value: String) async throws {
    let stand = try await TestStand.shared()
    var request = UpgradeRequest()
    request["Authorization"] = value
    try self.expect(await stand.refusal(of: request), 401, "unauthorized")
  }

  /// Tokens that must not be taken, each with what is wrong.
  static let tokens: [(String, String)] = {
    // They are made when the tests begin, which may be long before theirs.
    let later = TestTokens.now + 86_400
    let good = #"{"sub":"eve","exp":\#(later)}"#
    let valid = TestTokens.make(payload: good)
    let parts = valid.split(separator: ".").map(String.init)
    let other = TestTokens.make(payload: #"{"sub":"mallory","exp":\#(later)}"#)
    let foreign = [UInt8]("another secret, which is just as long as ours".utf8)
    return [
      ("signed with another secret", TestTokens.make(payload: good, secret: foreign)),
      ("a payload of another token", "\(parts[0]).\(other.split(separator: ".")[1]).\(parts[2])"),
      ("a signature cut off", "\(parts[0]).\(parts[1])"),
      ("an empty signature", "\(parts[0]).\(parts[1])."),
      ("a fourth part", valid + ".e30"),
      ("expired", TestTokens.make(payload: #"{"sub":"eve","exp":\#(TestTokens.now - 1)}"#)),
      ("expired long ago", TestTokens.make(payload: #"{"sub":"eve","exp":0}"#)),
      ("without exp", TestTokens.make(payload: #"{"sub":"eve"}"#)),
      ("exp null", TestTokens.make(payload: #"{"sub":"eve","exp":null}"#)),
      ("exp as text", TestTokens.make(payload: #"{"sub":"eve","exp":"\#(later)"}"#)),
      (
        "not yet valid",
        TestTokens.make(payload: #"{"sub":"eve","exp":\#(later),"nbf":\#(later - 60)}"#)
      ),
      ("without sub", TestTokens.make(payload: #"{"exp":\#(later)}"#)),
      ("an empty sub", TestTokens.make(payload: #"{"sub":"","exp":\#(later)}"#)),
      ("a sub with a space", TestTokens.make(payload: #"{"sub":"a b","exp":\#(later)}"#)),
      ("a sub with a brace", TestTokens.make(payload: #"{"sub":"a}b","exp":\#(later)}"#)),
      (
        "a sub too long",
        TestTokens.make(
          payload: #"{"sub":"\#(String(repeating: "u", count: 129))","exp":\#(later)}"#)
      ),
      ("a sub that is a number", TestTokens.make(payload: #"{"sub":7,"exp":\#(later)}"#)),
      ("alg none", TestTokens.make(payload: good, algorithm: "none", signature: .none)),
      ("alg None", TestTokens.make(payload: good, algorithm: "None", signature: .none)),
      ("alg none, signed", TestTokens.make(payload: good, algorithm: "none")),
      ("HS384", TestTokens.make(payload: good, algorithm: "HS384", signature: .hs384)),
      ("HS512", TestTokens.make(payload: good, algorithm: "HS512", signature: .hs512)),
      ("HS256 that is HS512", TestTokens.make(payload: good, signature: .hs512)),
      ("HS512 that is HS256", TestTokens.make(payload: good, algorithm: "HS512")),
      ("RS256 that is HS256", TestTokens.make(payload: good, algorithm: "RS256")),
      ("not JSON", TestTokens.make(payload: "eve")),
    ]
  }()

  @Test("a token that is not valid, in a header, with 401", arguments: Self.tokens.indices)
  func token(_ index: Int) async throws {
    let (fault, token) = Self.tokens[index]
    let stand = try await TestStand.shared()
    let answer = try await stand.refusal(of: UpgradeRequest(token: token))
    #expect(answer.status == 401, Comment(rawValue: fault))
    try self.expect(answer, 401, "unauthorized")
    #expect(!answer.body.contains(token))
  }

  @Test("a token that is not valid, in a subprotocol, with 401", arguments: Self.tokens.indices)
  func tokenOfBrowser(_ index: Int) async throws {
    let (fault, token) = Self.tokens[index]
    let stand = try await TestStand.shared()
    var request = UpgradeRequest()
    request["Sec-WebSocket-Protocol"] = "connect.v1.json, connect.bearer.\(token)"
    let answer = try await stand.refusal(of: request)
    #expect(answer.status == 401, Comment(rawValue: fault))
    try self.expect(answer, 401, "unauthorized")
    #expect(!answer.headers.contains { $0.value.contains(token) })
  }

  // MARK: 403, 404, 426

  @Test("another origin than those allowed, with 403")
  func origin() async throws {
    var options = TestStand.Options()
    options.configure = { $0.allowedOrigins = try! AllowedOrigins("https://chat.example") }
    try await TestStand.with(options) { stand in
      for origin in ["https://evil.example", "null", "", "http://chat.example"] {
        var request = try await stand.request("origin")
        request["Origin"] = origin
        try self.expect(await stand.refusal(of: request), 403, "forbidden")
      }
      for origin in ["https://chat.example", nil] {
        var request = try await stand.request("origin")
        request["Origin"] = origin
        let (socket, _) = try await TestSocket.upgrade(port: stand.gateways[0].port, request)
        try await socket.expectWelcome()
      }
    }
  }

  @Test(
    "other paths, with 404", arguments: ["/", "/v1", "/v1/connect/", "/v2/connect", "/V1/CONNECT"])
  func path(_ path: String) async throws {
    let stand = try await TestStand.shared()
    var request = try await stand.request("path")
    request.target = path
    try self.expect(await stand.refusal(of: request), 404, "not_found")
    // The second gateway has no demo page.
    request["Connection"] = "close"
    request["Upgrade"] = nil
    try self.expect(await stand.refusal(of: request, gateway: 1), 404, "not_found")
  }

  @Test(
    "what the parser of HTTP does not take for an upgrade, whatever comes right behind it",
    arguments: [
      Array("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8),
      RawFrame(opcode: 1, payload: Array(#"{"type":"ping"}"#.utf8)).bytes,
    ])
  func tab(behind: [UInt8]) async throws {
    let stand = try await TestStand.shared()
    for value in ["Upgrade\t", "Upgrade\t, keep-alive", "keep-alive, Upgrade \t"] {
      var request = try await stand.request("tab")
      request["Connection"] = value
      let socket = try await TestSocket.open(port: stand.gateways[0].port)
      socket.sendRaw(Array(request.text.utf8) + behind)
      #expect(try await socket.readHead().status == 426)
      let body = try await socket.readToEnd()
      #expect(body.hasPrefix(#"{"code":"upgrade_required""#) && body.hasSuffix("}\n"))
    }
  }

  @Test("what is not an upgrade, with 426 and what it could be")
  func noUpgrade() async throws {
    let stand = try await TestStand.shared()
    var plain = try await stand.request("plain")
    plain["Connection"] = "keep-alive"
    plain["Upgrade"] = nil
    var other = try await stand.request("plain")
    other["Upgrade"] = "h2c"
    var unconnected = try await stand.request("plain")
    unconnected["Connection"] = "keep-alive"
    for request in [plain, other, unconnected] {
      let answer = try await stand.refusal(of: request)
      try self.expect(answer, 426, "upgrade_required")
      #expect(answer["upgrade"] == "websocket")
      #expect(answer["sec-websocket-version"] == "13")
    }
  }

  // MARK: 429, 503

  @Test("one connection more than it takes, with 429, and takes it when another has gone")
  func tooMany() async throws {
    var options = TestStand.Options()
    options.configure = { $0.maximumConnections = 2 }
    try await TestStand.with(options) { stand in
      let first = try await stand.online("first")
      let second = try await stand.online("second")
      try self.expect(
        await stand.refusal(of: stand.request("third")), 429, "too_many_connections")
      try await second.expectOpen()
      first.close()
      try await eventually("there is room") {
        guard let socket = try? await stand.connect("third") else { return false }
        try await socket.expectWelcome()
        return true
      }
    }
  }

  @Test("everybody while Redis cannot be reached, with 503, and nobody afterwards")
  func noRedis() async throws {
    try await TestStand.with { stand in
      await stand.server.kill()
      try await eventually("the gateway has noticed") { await !stand.gateways[0].isReady() }
      try self.expect(await stand.refusal(of: stand.request("early")), 503, "unavailable")
      try await stand.server.restart()
      try await eventually("the gateway has come back") { await stand.gateways[0].isReady() }
      _ = try await stand.online("late")
    }
  }

  @Test("who comes while it stops, with 503")
  func draining() async throws {
    var options = TestStand.Options()
    // However long the request takes to come, the gateway must still be there.
    options.configure = {
      $0.drainSeconds = 600
      $0.closeMilliseconds = 60_000
    }
    try await TestStand.with(options) { stand in
      // A client that does not answer the close keeps the gateway waiting for it.
      let slow = try await stand.online("slow")
      try await slow.setAnswersClose(false)
      let waiting = try await TestSocket.open(port: stand.gateways[0].port)
      // Accepted, so that it is not only in the queue of a listener that is closed meanwhile.
      waiting.send("GET /v1/connect HTTP/1.1\r\n")
      let accepted = try await TestSocket.open(port: stand.gateways[0].port)
      accepted.send("GET /healthz HTTP/1.1\r\n\r\n")
      #expect(try await accepted.readHead().status == 200)
      await stand.gateways[0].service.beginStop()
      _ = try await slow.expectFrame(type: "goodbye")
      let request = try await stand.request("late").text.utf8
      waiting.sendRaw(request.drop { $0 != UInt8(ascii: "\n") }.dropFirst())
      var answer = try await waiting.readHead()
      answer.body = try await waiting.readToEnd()
      try self.expect(answer, 503, "draining")
      slow.close()
    }
  }
}
