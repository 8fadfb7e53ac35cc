import ConnectProtocol
import NIOHTTP1
import Testing

@testable import Gateway

@Suite("A request to connect")
struct ConnectRequestTests {
  private static let fields = [
    ("host", "chat.example"), ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
  ]

  private func request(
    target: String = "/v1/connect", query: String = "", method: HTTPMethod = .GET,
    version: HTTPVersion = .http1_1, origins: AllowedOrigins = .all,
    _ headers: [(String, String)] = [("authorization", "Bearer t")]
  ) throws(Refusal) -> ConnectRequest {
    try ConnectRequest(
      HTTPRequestHead(
        version: version, method: method, uri: target + query,
        headers: HTTPHeaders(Self.fields + headers)),
      allowedOrigins: origins)
  }

  private func refusal(
    query: String = "", method: HTTPMethod = .GET, version: HTTPVersion = .http1_1,
    origins: AllowedOrigins = .all, _ headers: [(String, String)] = [("authorization", "Bearer t")]
  ) -> RefusalCode? {
    do throws(Refusal) {
      _ = try self.request(
        query: query, method: method, version: version, origins: origins, headers)
      return nil
    } catch {
      return error.code
    }
  }

  @Test("names the device, the place and the token")
  func all() throws {
    let request = try self.request(query: "?device=a.b_c-1&since=12-3")
    #expect(request.device.text == "a.b_c-1")
    #expect(request.since == Offset(milliseconds: 12, sequence: 3))
    #expect(request.token == "t")
    #expect(!request.namesSubprotocol)
    let absolute = try self.request(target: "http://a/v1/connect", query: "?device=b")
    #expect(absolute.device.text == "b")
  }

  @Test(
    "needs no query, and ignores what it does not know there", arguments: ["", "?", "?&x&y=1&&"])
  func defaults(query: String) throws {
    let request = try self.request(query: query)
    #expect(request.device == .default)
    #expect(request.since == nil)
  }

  @Test("may escape what it names, and the last of two counts")
  func query() throws {
    #expect(try self.request(query: "?device=%61%2E").device.text == "a.")
    #expect(try self.request(query: "?device=a&device=b").device.text == "b")
    #expect(try self.request(query: "?%64evic%65=phone").device.text == "phone")
    #expect(try self.request(query: "?device=a&%64evice=b").device.text == "b")
    #expect(try self.request(query: "?device%3D=b").device == .default)
    #expect(try self.request(query: "?since=0").since == .zero)
    #expect(try self.request(query: "?since=1%2d2").since == Offset(milliseconds: 1, sequence: 2))
  }

  @Test(
    "is malformed with a device or a since that is none",
    arguments: [
      "device=", "device", "device=%20", "device=a+b", "device=%", "device=%6", "device=%zz",
      "device=%+f", "device=%C3%28", "device=a=b", "since=", "since=a", "since=1-2-3", "since=-",
      "since=99999999999999999999", "x=%", "%=x", "%C3=x",
    ])
  func malformed(query: String) {
    #expect(self.refusal(query: "?\(query)") == .malformed)
  }

  @Test("is a GET of HTTP/1.1")
  func method() {
    for method in [HTTPMethod.POST, .HEAD, .PUT, .OPTIONS, .CONNECT] {
      #expect(self.refusal(method: method) == .malformed)
    }
    #expect(self.refusal(version: .http1_0) == .malformed)
  }

  @Test("comes from an allowed origin, or from no browser")
  func origin() throws {
    let origins = try AllowedOrigins("https://a.example")
    let token = ("authorization", "Bearer t")
    #expect(self.refusal(origins: origins, [token, ("origin", "https://a.example")]) == nil)
    #expect(self.refusal(origins: origins, [token, ("origin", "HTTPS://A.example:443")]) == nil)
    #expect(self.refusal(origins: origins, [token]) == nil)
    #expect(self.refusal(origins: origins, [token, ("origin", "https://b.example")]) == .forbidden)
    #expect(
      self.refusal(
        origins: origins,
        [token, ("origin", "https://a.example"), ("origin", "https://b.example")]) == .forbidden)
    #expect(self.refusal(origins: .all, [token, ("origin", "https://b.example")]) == nil)
  }

  @Test("offers the subprotocol, or none")
  func subprotocol() throws {
    let token = ("authorization", "Bearer t")
    let name = "sec-websocket-protocol"
    #expect(try self.request([token, (name, "a, connect.v1.json")]).namesSubprotocol)
    #expect(try self.request([token, (name, "a"), (name, "connect.v1.json")]).namesSubprotocol)
    #expect(self.refusal([token, (name, "a")]) == .malformed)
    #expect(self.refusal([token, (name, "CONNECT.V1.JSON")]) == .malformed)
  }

  @Test("has one Host, and one version and one key of WebSocket")
  func once() {
    for (name, value) in Self.fields {
      #expect(self.refusal([("authorization", "Bearer t"), (name, value)]) == .malformed)
      let others = Self.fields.filter { $0.0 != name } + [("authorization", "Bearer t")]
      for fields in [others, others + [(name, "a b/?")]] {
        let head = HTTPRequestHead(
          version: .http1_1, method: .GET, uri: "/v1/connect", headers: HTTPHeaders(fields))
        #expect(throws: Refusal.self) { try ConnectRequest(head, allowedOrigins: .all) }
      }
    }
  }

  @Test("carries its token in a header, or in a subprotocol; the header counts")
  func token() throws {
    let offers = ("sec-websocket-protocol", "connect.v1.json, connect.bearer.x.y.z")
    #expect(try self.request([offers]).token == "x.y.z")
    #expect(try self.request([offers, ("authorization", "BEARER  t")]).token == "t")
    #expect(try self.request([offers, ("authorization", "")]).token == "x.y.z")
    #expect(try self.request([offers, ("authorization", "Basic YTpi")]).token == "x.y.z")
    #expect(
      try self.request([("authorization", "Basic YTpi"), ("authorization", "Bearer t")]).token
        == "t")
    #expect(self.refusal([("authorization", "Basic YTpi")]) == .unauthorized)
    #expect(self.refusal([offers, ("authorization", "Bearer")]) == .unauthorized)
    #expect(
      self.refusal([("authorization", "Bearer t"), ("authorization", "Bearer t")]) == .unauthorized)
    #expect(self.refusal([("authorization", "")]) == .unauthorized)
    #expect(self.refusal([]) == .unauthorized)
    #expect(self.refusal(query: "?token=t", []) == .unauthorized)
  }
}
