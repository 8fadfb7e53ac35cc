import ConnectProtocol
import NIOHTTP1
import Testing

@testable import BackendAPI

@Suite("A request asks for")
struct RouteTests {
  private func route(
    _ method: HTTPMethod, _ uri: String
  ) throws(BackendRefusal) -> Route {
    try Route(HTTPRequestHead(version: .http1_1, method: method, uri: uri))
  }

  private let bob = UserName("bob")!

  @Test("what its path and method say")
  func routes() throws {
    #expect(try self.route(.POST, "/v1/messages") == .sendMessage)
    #expect(try self.route(.GET, "/v1/users/bob") == .showUser(self.bob))
    #expect(try self.route(.HEAD, "/v1/users/bob") == .showUser(self.bob))
    #expect(try self.route(.DELETE, "/v1/users/bob") == .eraseUser(self.bob))
    #expect(try self.route(.POST, "/v1/users/bob/disconnect") == .disconnectUser(self.bob, nil))
    #expect(
      try self.route(.POST, "/v1/users/bob/disconnect?device=ph%6fne")
        == .disconnectUser(self.bob, DeviceName("phone")))
    #expect(try self.route(.GET, "/healthz") == .health)
    #expect(try self.route(.GET, "/healthz?from=balancer") == .health)
    #expect(try self.route(.GET, "/openapi.json") == .describe)
    #expect(
      try self.route(.GET, "http://connect.internal:8090/v1/users/bob") == .showUser(self.bob))
  }

  @Test(
    "a user, whose name is percent-decoded once and nothing else",
    arguments: [
      ("a%40b.example", "a@b.example"), ("a@b.example", "a@b.example"), ("a+b", "a+b"),
      ("a%2Bb", "a+b"), ("%62%6F%62", "bob"), ("u%3a1", "u:1"),
    ])
  func percent(text: String, name: String) throws {
    #expect(try self.route(.GET, "/v1/users/\(text)") == .showUser(UserName(name)!))
  }

  @Test(
    "nobody, where that is not a name",
    arguments: [
      "a%20b", "a%2Fb", "a%2525b", "%00", "%C3%A9", "a{b", String(repeating: "a", count: 129),
    ])
  func noName(text: String) {
    let refusal = #expect(throws: BackendRefusal.self) {
      try self.route(.DELETE, "/v1/users/\(text)")
    }
    #expect(refusal?.code == .invalidUser)
  }

  @Test("nothing, where a percent sign means nothing", arguments: ["a%", "a%4", "a%4g", "%%41"])
  func noPercent(text: String) {
    let refusal = #expect(throws: BackendRefusal.self) { try self.route(.GET, "/v1/users/\(text)") }
    #expect(refusal?.code == .malformed)
  }

  @Test(
    "nothing, where there is no such path",
    arguments: [
      "/", "", "/v1", "/v1/", "/v1/messages/", "/v1/message", "/v2/messages", "/v1/users",
      "/v1/users/", "/v1/users/bob/", "/v1/users/bob/disconnect/", "/v1/users/bob/sessions",
      "//v1/messages", "/v1//messages", "/V1/messages", "v1/messages", "*", "/v1/users//disconnect",
    ])
  func notFound(path: String) {
    for method in [HTTPMethod.GET, .POST, .DELETE] {
      let refusal = #expect(throws: BackendRefusal.self) { try self.route(method, path) }
      #expect(refusal?.code == .notFound, "\(method) \(path)")
    }
  }

  @Test(
    "too much of a path that knows other methods",
    arguments: [
      (HTTPMethod.GET, "/v1/messages", "POST"), (.PUT, "/v1/messages", "POST"),
      (.POST, "/v1/users/bob", "GET, HEAD, DELETE"),
      (.OPTIONS, "/v1/users/bob", "GET, HEAD, DELETE"),
      (.GET, "/v1/users/bob/disconnect", "POST"), (.POST, "/healthz", "GET, HEAD, OPTIONS"),
      (.DELETE, "/openapi.json", "GET, HEAD"), (.RAW(value: "BREW"), "/v1/messages", "POST"),
    ])
  func methods(method: HTTPMethod, path: String, allowed: String) {
    let refusal = #expect(throws: BackendRefusal.self) { try self.route(method, path) }
    #expect(refusal?.code == .methodNotAllowed)
    #expect(refusal?.allowed == allowed)
  }

  @Test(
    "nothing, where a query asks for what the path does not have",
    arguments: [
      (HTTPMethod.POST, "/v1/messages"), (.GET, "/v1/users/bob"), (.DELETE, "/v1/users/bob"),
      (.GET, "/openapi.json"),
    ])
  func queries(method: HTTPMethod, path: String) throws {
    for query in ["?x", "?device=phone", "?dry_run=true", "?&"] {
      let refusal = #expect(throws: BackendRefusal.self) { try self.route(method, path + query) }
      #expect(refusal?.code == .malformed, "\(query)")
    }
    #expect(throws: Never.self) { try self.route(method, path + "?") }
  }

  @Test(
    "never all devices by mistake",
    arguments: [
      "?devise=phone", "?device", "?device=", "?device=a&device=b", "?device=a&x=1",
      "?device=a%20b",
      "?device=%zz", "?Device=phone", "?device=" + String(repeating: "d", count: 65),
    ])
  func devices(query: String) {
    let refusal = #expect(throws: BackendRefusal.self) {
      try self.route(.POST, "/v1/users/bob/disconnect\(query)")
    }
    #expect(refusal?.code == .malformed)
  }
}
