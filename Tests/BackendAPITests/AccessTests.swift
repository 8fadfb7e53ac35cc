import BackendAPI
import ConnectTestStand
import NIOConcurrencyHelpers
import TestSupport
import Testing

@Suite("The API for backends", .timeLimit(.minutes(20)))
struct AccessTests {
  private let old = "old-0123456789abcdef0123456789abcdef"
  private let new = "new-0123456789abcdef0123456789abcdef"

  @Test("takes each of its tokens, and nothing without one")
  func tokens() async throws {
    try await TestStand.with(TestStand.Options(gateways: 0)) { stand in
      let api = try await stand.startAPI(tokens: "\(self.old)\n\(self.new)\n")
      let request = HTTPTestRequest("GET", "/v1/users/bob", token: nil)
      for token in [self.old, self.new] {
        for field in [
          "Bearer \(token)", "bearer \(token)", "BEARER \(token)", "Bearer   \(token)",
          "Bearer \(token) \t",
        ] {
          #expect(try await api.ask(request.with("Authorization", field)).status == 404)
        }
      }
      for field in [
        nil, "", "Bearer", "Bearer ", "Bearer \(self.old)x", "Bearer \(self.old.dropLast())",
        "Basic \(self.old)", self.old, "Bearer \(self.old),\(self.new)",
        "Bearer \(self.old) \(self.new)",
      ] {
        let answer = try await api.ask(request.with("Authorization", field))
        #expect(try answer.code() == "unauthorized", "\(field ?? "none")")
        #expect(answer["www-authenticate"] == "Bearer")
        #expect(!answer.body.contains(self.old))
      }
      var twice = request
      for token in [self.old, self.new] {
        twice.headers.append(("Authorization", "Bearer \(token)"))
      }
      #expect(try await api.ask(twice).code() == "unauthorized")
      var other = request.with("Authorization", "Basic YTpi")
      other.headers.append(("Authorization", "Bearer \(self.old)"))
      #expect(try await api.ask(other).status == 404)
      // Before anything else is said.
      for request in [
        HTTPTestRequest("GET", "/nowhere", token: nil),
        HTTPTestRequest("PUT", "/v1/messages", token: nil),
        HTTPTestRequest("POST", "/v1/messages", body: "{", token: nil),
        HTTPTestRequest("DELETE", "/v1/users/bob", token: self.old + self.new),
        HTTPTestRequest("POST", "/v1/users/b%20b/disconnect", token: nil),
        HTTPTestRequest("GET", "/v1/users/bob", token: nil).with("Expect", "200-ok"),
      ] {
        #expect(try await api.ask(request).code() == "unauthorized")
      }
      // Replaced without a gap: an instance that knows the new one only.
      let next = try await stand.startAPI(tokens: self.new)
      #expect(try await next.ask(request.with("Authorization", "Bearer \(self.new)")).status == 404)
      #expect(
        try await next.ask(request.with("Authorization", "Bearer \(self.old)")).status == 401)
    }
  }

  @Test("tells everybody that it is alive, and what it can do")
  func publicPaths() async throws {
    try await TestStand.withAPI { _, api in
      let health = try await api.ask(HTTPTestRequest("GET", "/healthz", token: nil))
      #expect(health.status == 200)
      #expect(health.body == "alive\n")
      let document = try await api.ask(HTTPTestRequest("GET", "/openapi.json", token: "wrong"))
      #expect(document.status == 200)
      #expect(document["content-type"] == "application/json")
      let head = try await api.ask(HTTPTestRequest("HEAD", "/openapi.json", token: nil))
      #expect(head["content-length"] == "\(document.body.utf8.count)")
      #expect(head.body == "")
    }
  }

  @Test("refuses what is not a path, a method or JSON, in JSON")
  func refusals() async throws {
    try await TestStand.withAPI { _, api in
      let connection = try await api.connect()
      for path in ["/", "/v1/user/bob", "/metrics", "/readyz", "/v1/messages/"] {
        #expect(try await connection.ask(HTTPTestRequest("GET", path)).code() == "not_found")
      }
      for (method, path, allowed) in [
        ("GET", "/v1/messages", "POST"), ("PATCH", "/v1/users/bob", "GET, HEAD, DELETE"),
        ("OPTIONS", "/v1/users/bob/disconnect", "POST"),
        ("DELETE", "/healthz", "GET, HEAD, OPTIONS"),
      ] {
        let answer = try await connection.ask(HTTPTestRequest(method, path))
        #expect(try answer.code() == "method_not_allowed")
        #expect(answer["allow"] == allowed)
      }
      for type in [
        "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "",
        "application/jsonx", "application/ json", "application/json, application/json",
        "multipart/form-data; boundary=application/json",
      ] {
        let answer = try await connection.ask(message("m").with("Content-Type", type))
        #expect(try answer.code() == "unsupported_media_type", "\(type)")
      }
      for type in [
        nil, "application/json", "Application/JSON;charset=UTF-8",
        "application/json; charset=\"utf-8\"",
        "application/json; profile=x", " application/json\t", #"application/json; a=";charset=x""#,
      ] {
        #expect(try await connection.ask(message("m").with("Content-Type", type)).status == 202)
      }
      var twice = message("m")
      twice.headers.append(("Content-Type", "application/json"))
      #expect(try await api.ask(twice).code() == "unsupported_media_type")
      #expect(
        try await api.ask(message("m").with("Expect", "200-ok")).code() == "expectation_failed")
      for name in ["a%20b", "%"] {
        #expect(
          try await connection.ask(HTTPTestRequest("DELETE", "/v1/users/\(name)")).status == 400)
      }
    }
  }

  @Test("refuses in JSON what the parser refuses, whoever asks, and lets the client read that")
  func parserRefusals() async throws {
    try await TestStand.withAPI { _, api in
      for refusal in ParserRefusal.all {
        let answer = try await HTTPAnswer.of(port: api.port, to: refusal.request)
        #expect(answer.status == refusal.status, "\(refusal)")
        #expect(try answer.code() == refusal.code, "\(refusal)")
        #expect(answer["content-length"] == "\(answer.body.utf8.count)")
        #expect(answer["x-content-type-options"] == "nosniff")
        #expect(answer["connection"] == "close")
      }
    }
  }

  @Test("reads a body as it is: refuses codings that it would have to undo")
  func codings() async throws {
    try await TestStand.withAPI { _, api in
      let connection = try await api.connect()
      for coding in ["gzip", "br", "GZIP", "identity, gzip", "deflate, identity"] {
        let answer = try await connection.ask(message("m").with("Content-Encoding", coding))
        #expect(try answer.code() == "unsupported_media_type", "\(coding)")
        #expect(answer.status == 415)
        #expect(answer["accept-encoding"] == "identity")
      }
      for target in ["/v1/users/nobody/disconnect", "/v1/users/nobody"] {
        let method = target.hasSuffix("disconnect") ? "POST" : "DELETE"
        let request = HTTPTestRequest(method, target, body: "{}").with("Content-Encoding", "gzip")
        #expect(try await connection.ask(request).status == 415)
      }
      let plain = message("m").with("Content-Encoding", "Identity")
      #expect(try await connection.ask(plain).status == 202)
      let socket = try await api.connect()
      socket.socket.send(
        "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n"
          + "Authorization: Bearer \(TestStand.serviceToken)\r\n\r\n0\r\n\r\n")
      #expect(try await socket.answer(hasBody: true).code() == "malformed")
    }
  }

  @Test(
    "serves health to load balancers that ask with OPTIONS or HTTP/1.0, and nothing else in 1.0")
  func oldHTTP() async throws {
    try await TestStand.withAPI { _, api in
      for (line, status) in [
        ("GET /healthz", 200), ("HEAD /healthz", 200), ("OPTIONS /healthz", 200),
        ("GET /openapi.json", 400), ("GET /v1/users/bob", 400), ("GET /", 400),
        ("PUT /v1/messages", 400),
      ] {
        let connection = try await api.connect()
        connection.socket.send(
          "\(line) HTTP/1.0\r\nAuthorization: Bearer \(TestStand.serviceToken)\r\n\r\n")
        let answer = try await connection.answer(hasBody: !line.hasPrefix("HEAD"))
        #expect(answer.status == status, "\(line)")
        #expect(answer["x-content-type-options"] == "nosniff")
        #expect(answer["connection"] == "close")
      }
    }
  }

  @Test("takes a request with one Host, as RFC 9112 has it")
  func host() async throws {
    try await TestStand.withAPI { _, api in
      let connection = try await api.connect()
      for host in [nil, "a\r\nHost: b", "a b/?"] {
        let answer = try await connection.ask(message("m").with("Host", host))
        #expect(try answer.code() == "malformed")
      }
      #expect(
        try await connection.ask(HTTPTestRequest("GET", "/healthz").with("Host", nil)).status == 200
      )
    }
  }

  @Test("asks for a body that waits for a word only where it wants it")
  func expectation() async throws {
    try await TestStand.withAPI { _, api in
      func expecting(_ fields: [String]) -> HTTPTestRequest {
        var request = message("m")
        for field in fields { request.headers.append(("Expect", field)) }
        return request
      }
      for fields in [["100-continue"], ["100-Continue", "100-continue"], ["100-continue,"]] {
        let request = expecting(fields)
        let connection = try await api.connect()
        connection.socket.send(request.head)
        #expect(try await connection.socket.readHead().status == 100, "\(fields)")
        connection.socket.send(request.body!)
        #expect(try await connection.answer().status == 202)
        #expect(try await connection.ask(message("m2")).status == 202)
      }
      for fields in [["100-continue", "x"], ["x", "100-continue"], ["100-continue, x"], [""]] {
        let connection = try await api.connect()
        connection.socket.send(expecting(fields).head)
        #expect(try await connection.answer().code() == "expectation_failed", "\(fields)")
      }

      let refused = try await api.connect()
      refused.socket.send(expecting(["100-continue"]).with("Authorization", nil).head)
      let answer = try await refused.answer()
      #expect(answer.status == 401)
      #expect(answer["connection"] == "close")
      #expect(try await refused.socket.readToEnd() == "")
    }
  }

  @Test("tells of each answer what was asked and how it ended, for metrics")
  func counted() async throws {
    try await TestStand.with(TestStand.Options(gateways: 0)) { stand in
      let told = NIOLockedValueBox<[String]>([])
      let api = try await stand.startAPI {
        $0.onAnswer = { answer in
          #expect(answer.nanoseconds >= 0)
          told.withLockedValue { $0.append("\(answer.route) \(answer.status)") }
        }
      }
      let requests = [
        message("m"), message("m", to: ""), message("m").with("Authorization", nil),
        HTTPTestRequest("GET", "/v1/users/nobody"), HTTPTestRequest("DELETE", "/v1/users/nobody"),
        HTTPTestRequest("POST", "/v1/users/nobody/disconnect"), HTTPTestRequest("GET", "/healthz"),
        HTTPTestRequest("GET", "/openapi.json"), HTTPTestRequest("GET", "/a"),
        HTTPTestRequest("GET", "/b c"),
      ]
      for request in requests { _ = try await api.ask(request) }
      #expect(
        told.withLockedValue { $0 } == [
          "messages 202", "messages 400", "messages 401", "user 404", "erase 204", "disconnect 202",
          "healthz 200", "openapi 200", "other 404", "other 400",
        ])
    }
  }

  @Test("answers what has begun when it stops, and listens no more")
  func stop() async throws {
    let port = try await TakenPort.free()
    try await TestStand.with(TestStand.Options(gateways: 0)) { stand in
      let api = try await stand.startAPI { $0.port = port }
      let idle = try await api.connect()
      #expect(try await idle.ask(message("m-1")).status == 202)
      let busy = try await api.connect()
      let request = message("m-2").with("Expect", "100-continue")
      busy.socket.send(request.head)
      #expect(try await busy.socket.readHead().status == 100)
      await api.service.beginStop()
      #expect(try await idle.socket.readToEnd() == "")
      busy.socket.send(request.body!)
      let answer = try await busy.answer()
      #expect(answer.status == 202)
      #expect(answer["connection"] == "close")
      try await api.service.waitForEnd()
      await #expect(throws: (any Error).self) { try await api.connect() }
    }
  }
}
