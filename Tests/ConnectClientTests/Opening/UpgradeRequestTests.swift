import ConnectProtocol
import NIOHTTP1
import TestSupport
import Testing

@testable import ConnectClient

@Suite struct UpgradeRequestTests {
  private let endpoint = ConnectEndpoint(host: "localhost", port: 8_080)

  private func request() throws -> UpgradeRequest {
    // The example of RFC 6455, section 1.3.
    try UpgradeRequest(
      to: self.endpoint, device: DeviceName("phone")!, since: offset(7), token: "a.b.c",
      key: "dGhlIHNhbXBsZSBub25jZQ==")
  }

  private func response(
    status: HTTPResponseStatus = .switchingProtocols,
    _ change: (inout HTTPHeaders) -> Void = { _ in }
  ) -> HTTPResponseHead {
    var headers: HTTPHeaders = [
      "Upgrade": "websocket", "Connection": "Upgrade",
      "Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
      "Sec-WebSocket-Protocol": "connect.v1.json",
    ]
    change(&headers)
    return HTTPResponseHead(version: .http1_1, status: status, headers: headers)
  }

  @Test func theRequestIsAsTheProtocolSays() throws {
    let head = try self.request().head
    #expect(head.method == .GET)
    #expect(head.uri == "/v1/connect?device=phone&since=7-0")
    #expect(head.headers["host"] == ["localhost:8080"])
    #expect(head.headers["authorization"] == ["Bearer a.b.c"])
    #expect(head.headers["sec-websocket-protocol"] == ["connect.v1.json"])
    #expect(head.headers["sec-websocket-version"] == ["13"])
  }

  @Test(arguments: ["a.b.c\n", "a.b.c\r\n", " \ta.b.c "])
  func whiteSpaceAroundATokenIsNoneOfIt(token: String) throws {
    let request = try UpgradeRequest(
      to: self.endpoint, device: .default, since: nil, token: token)
    #expect(request.head.headers["authorization"] == ["Bearer a.b.c"])
  }

  @Test(arguments: ["", "\n", "a b", "a\r\nX-Evil: 1", "ä", "a\u{7F}"])
  func aTokenThatCannotStandInAHeaderIsNotSent(token: String) {
    #expect(throws: ConnectionEnd.invalidToken) {
      try UpgradeRequest(to: self.endpoint, device: .default, since: nil, token: token)
    }
  }

  @Test func theRightAnswerUpgrades() throws {
    #expect(try self.request().answer(self.response()) == .upgraded)
    let other = self.response {
      $0.replaceOrAdd(name: "connection", value: "keep-alive, UPGRADE")
      $0.replaceOrAdd(name: "upgrade", value: "WebSocket")
    }
    #expect(try self.request().answer(other) == .upgraded)
    let spaced = self.response { headers in
      headers = HTTPHeaders(headers.map { ($0.name, " \($0.value)\t") })
    }
    #expect(try self.request().answer(spaced) == .upgraded)
  }

  @Test(arguments: ["upgrade", "connection", "sec-websocket-accept", "sec-websocket-protocol"])
  func anAnswerThatLacksAHeaderIsNone(name: String) throws {
    guard case .invalid = try self.request().answer(self.response { $0.remove(name: name) }) else {
      Issue.record("taken without \(name)")
      return
    }
  }

  @Test(arguments: [
    ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOp="),
    ("sec-websocket-protocol", "connect.v2.json"),
    ("sec-websocket-extensions", "permessage-deflate"),
    ("upgrade", "h2c"),
  ])
  func anAnswerToSomethingElseIsNone(name: String, value: String) throws {
    let response = self.response { $0.replaceOrAdd(name: name, value: value) }
    guard case .invalid = try self.request().answer(response) else {
      Issue.record("taken with \(name): \(value)")
      return
    }
  }

  @Test func aRefusalCarriesStatusCodeMessageAndWait() throws {
    let response = self.response(status: .serviceUnavailable) {
      $0.replaceOrAdd(name: "retry-after", value: "3 ")
    }
    guard case .refused(var refusal) = try self.request().answer(response) else {
      Issue.record("not refused")
      return
    }
    refusal.read(body: Array("{\"code\":\"draining\",\"message\":\"later\"}\n".utf8))
    #expect(
      refusal
        == UpgradeRefusal(status: 503, code: "draining", message: "later", retryAfterSeconds: 3))
    #expect("\(refusal)" == "later (draining, HTTP status 503)")
  }

  @Test(arguments: ["", "<html>", "{", "{}", "{\"code\":1}", "[1]", "{\"code\":\"a\"}"])
  func aBodyOfAnotherKindIsPassedOver(body: String) {
    var refusal = UpgradeRefusal(status: 502)
    refusal.read(body: Array(body.utf8))
    #expect(refusal == UpgradeRefusal(status: 502))
  }
}
