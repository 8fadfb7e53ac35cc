import NIOCore

/// A request of which every part can be made wrong.
package struct HTTPTestRequest: Sendable {
  package var method: String
  package var target: String
  /// The fields, in order, beside the length of the body.
  package var headers: [(name: String, value: String)]
  /// The body; without one, no length is told.
  package var body: String?

  /// A request as a well-behaved backend makes it.
  package init(
    _ method: String, _ target: String, body: String? = nil,
    token: String? = TestStand.serviceToken
  ) {
    self.method = method
    self.target = target
    self.headers = [("Host", "localhost")]
    if let token { self.headers.append(("Authorization", "Bearer \(token)")) }
    if body != nil { self.headers.append(("Content-Type", "application/json")) }
    self.body = body
  }

  /// The same with another field.
  package func with(_ name: String, _ value: String?) -> HTTPTestRequest {
    var request = self
    request.headers.removeAll { $0.name.lowercased() == name.lowercased() }
    if let value { request.headers.append((name, value)) }
    return request
  }

  /// The request without its body.
  package var head: String {
    var fields = self.headers.map { "\($0.name): \($0.value)\r\n" }.joined()
    if let body = self.body { fields += "Content-Length: \(body.utf8.count)\r\n" }
    return "\(self.method) \(self.target) HTTP/1.1\r\n\(fields)\r\n"
  }

  /// The bytes of the request.
  package var text: String { self.head + (self.body ?? "") }
}

/// A connection to a server that answers one request after the other.
package struct HTTPTestConnection: Sendable {
  package let socket: TestSocket

  /// Over a socket that is open.
  package init(_ socket: TestSocket) { self.socket = socket }

  /// Sends a request and reads its answer.
  package func ask(_ request: HTTPTestRequest) async throws -> HTTPAnswer {
    self.socket.send(request.text)
    return try await self.answer(hasBody: request.method != "HEAD")
  }

  package func answer(hasBody: Bool = true) async throws -> HTTPAnswer {
    var answer = try await self.socket.readHead()
    if hasBody, let length = answer["content-length"].flatMap({ Int($0) }) {
      answer.body = try await self.socket.readText(length)
    }
    return answer
  }
}

extension HTTPAnswer {
  /// The answer of a server to a text, on a connection of its own, up to its end.
  package static func of(port: Int, to text: String) async throws -> HTTPAnswer {
    let socket = try await TestSocket.open(port: port)
    socket.send(text)
    var answer = try await socket.readHead()
    answer.body = try await socket.readToEnd()
    return answer
  }
}
