/// An HTTP answer, read by hand.
package struct HTTPAnswer: Sendable, Hashable {
  package let status: Int
  /// The fields in order, their names in lower case.
  package let headers: [(name: String, value: String)]
  /// All up to the end of the connection.
  package var body: String

  package subscript(name: String) -> String? { self.headers.first { $0.name == name }?.value }

  /// Reads a head without its empty line.
  init?(head: String) {
    let lines = head.split(separator: "\r\n")
    let words = lines.first?.split(separator: " ", maxSplits: 2) ?? []
    guard words.count >= 2, words[0] == "HTTP/1.1", let status = Int(words[1]) else { return nil }
    self.status = status
    self.headers = lines.dropFirst().map { line in
      let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      let value = parts.count == 2 ? parts[1].drop { $0 == " " } : ""
      return (parts[0].lowercased(), String(value))
    }
    self.body = ""
  }

  /// Compares everything.
  package static func == (a: HTTPAnswer, b: HTTPAnswer) -> Bool {
    a.status == b.status && a.body == b.body
      && a.headers.elementsEqual(b.headers) { $0.name == $1.name && $0.value == $1.value }
  }

  /// Hashes what tells answers apart.
  package func hash(into hasher: inout Hasher) {
    hasher.combine(self.status)
    hasher.combine(self.body)
  }
}

/// A request to upgrade, of which every part can be made wrong.
package struct UpgradeRequest: Sendable {
  package var method = "GET"
  package var target: String
  package var version = "HTTP/1.1"
  /// The fields, in order.
  package var headers: [(name: String, value: String)]

  /// A request as RFC 6455 has it, with the token in `Authorization`.
  package init(
    token: String? = nil, device: String? = nil, since: String? = nil, positions: String? = nil
  ) {
    let query = [
      device.map { "device=\($0)" }, since.map { "since=\($0)" },
      positions.map { "positions=\($0)" },
    ].compactMap(\.self)
    self.target = "/v1/connect" + (query.isEmpty ? "" : "?" + query.joined(separator: "&"))
    self.headers = [
      ("Host", "localhost"),
      ("Connection", "Upgrade"),
      ("Upgrade", "websocket"),
      ("Sec-WebSocket-Version", "13"),
      ("Sec-WebSocket-Key", Self.key),
    ]
    if let token { self.headers.append(("Authorization", "Bearer \(token)")) }
  }

  /// The example of RFC 6455, section 1.3 …
  static let key = "dGhlIHNhbXBsZSBub25jZQ=="
  /// … and the answer to it.
  package static let expectedAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

  /// The first value of a field; nil removes the field.
  package subscript(name: String) -> String? {
    get { self.headers.first { $0.name == name }?.value }
    set {
      self.headers.removeAll { $0.name == name }
      if let newValue { self.headers.append((name, newValue)) }
    }
  }

  /// The bytes of the request.
  package var text: String {
    let fields = self.headers.map { "\($0.name): \($0.value)\r\n" }.joined()
    return "\(self.method) \(self.target) \(self.version)\r\n\(fields)\r\n"
  }
}
