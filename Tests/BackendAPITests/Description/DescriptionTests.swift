import ConnectProtocol
import Foundation
import NIOHTTP1
import Testing

@testable import BackendAPI

@Suite("The OpenAPI document")
struct DescriptionTests {
  private let document: [String: Any]

  init() throws {
    let data = Data(PackageResources.openapi_json)
    self.document = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
  }

  private var paths: [String: [String: Any]] {
    self.document["paths"] as? [String: [String: Any]] ?? [:]
  }

  private var components: [String: [String: Any]] {
    self.document["components"] as? [String: [String: Any]] ?? [:]
  }

  /// Each operation as `GET /path`.
  private var operations: [(name: String, value: [String: Any])] {
    self.paths.flatMap { path, item in
      item.compactMap { method, value in
        guard method != "parameters", let value = value as? [String: Any] else { return nil }
        return ("\(method.uppercased()) \(path)", value)
      }
    }
  }

  @Test("has every route, and no other")
  func routes() throws {
    #expect(
      self.operations.map(\.name).sorted() == [
        "DELETE /v1/users/{user}", "GET /asyncapi.json", "GET /healthz", "GET /openapi.json",
        "GET /v1/users/{user}", "OPTIONS /healthz", "POST /v1/messages",
        "POST /v1/users/{user}/disconnect",
      ])
    for (name, value) in self.operations {
      let words = name.split(separator: " ")
      let uri = words[1].replacingOccurrences(of: "{user}", with: "bob")
      let head = HTTPRequestHead(
        version: .http1_1, method: HTTPMethod(rawValue: String(words[0])), uri: uri)
      #expect(throws: Never.self) { try Route(head) }
      // Where no token is needed, an operation says so.
      #expect(
        (value["security"] as? [Any])?.isEmpty == (Route.isPublic(uri) ? true : nil), "\(name)")
    }
  }

  @Test("has every code, under its status, and no other")
  func codes() throws {
    let shared = self.components["responses"] ?? [:]
    var codes: [String: Set<Int>] = [:]
    for (name, operation) in self.operations {
      for (status, response) in try #require(operation["responses"] as? [String: [String: Any]]) {
        var response = response
        if let reference = response["$ref"] as? String {
          let key = try #require(reference.split(separator: "/").last)
          response = try #require(shared[String(key)] as? [String: Any])
        }
        let content = response["content"] as? [String: [String: Any]]
        let schema = content?["application/json"]?["schema"] as? [String: Any]
        guard let parts = schema?["allOf"] as? [[String: Any]] else {
          #expect(status.hasPrefix("2"), "\(name) \(status)")
          continue
        }
        let code = (parts.last?["properties"] as? [String: [String: Any]])?["code"]
        for code in try #require(code?["enum"] as? [String]) {
          codes[code, default: []].insert(try #require(Int(status)))
        }
      }
    }
    // Answered where a path is none of these, or not with this method.
    let elsewhere: Set<BackendCode> = [.notFound, .methodNotAllowed]
    for code in BackendCode.allCases where !elsewhere.contains(code) {
      #expect(codes[code.rawValue] == [code.status], "\(code)")
    }
    #expect(codes.count == BackendCode.allCases.count - elsewhere.count)
  }

  @Test("has the headers of refusals that the server sends, and no other")
  func headers() throws {
    let shared = try #require(self.components["responses"] as? [String: [String: Any]])
    for (name, operation) in self.operations {
      for (status, response) in try #require(operation["responses"] as? [String: [String: Any]]) {
        let key = (response["$ref"] as? String)?.split(separator: "/").last.map(String.init)
        let whole = try key.map { try #require(shared[$0]) } ?? response
        let described = (whole["headers"] as? [String: Any])?.keys.map { $0.lowercased() } ?? []
        let codes = BackendCode.allCases.filter { "\($0.status)" == status }
        let sent = codes.flatMap { BackendRefusal($0, "").response(label: "").headers.map(\.0) }
        guard Int(status)! >= 400 else { continue }
        #expect(Set(described) == Set(sent), "\(name) \(status)")
      }
    }
  }

  @Test("and the protocol's page list the same codes, and say which are to be sent again")
  func page() throws {
    let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
      "../../../Sources/ConnectCommand/Documentation.docc/Protocol.md")
    let text = try String(contentsOf: page.standardizedFileURL, encoding: .utf8)
    let section = try #require(text.components(separatedBy: "### Refusals of the API\n").last)
    var listed: Set<BackendCode> = []
    for line in section.split(separator: "\n").drop(while: { !$0.hasPrefix("|") }).dropFirst(2)
      .prefix(while: { $0.hasPrefix("|") })
    {
      let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
      for name in cells[1].matches(of: /`(.+?)`/).map({ String($0.output.1) }) {
        let code = try #require(BackendCode(rawValue: name), "\(name)")
        #expect("\(code.status)" == cells[0])
        #expect((cells.last == "yes") == code.isRetryable, "\(name)")
        listed.insert(code)
      }
    }
    #expect(listed == Set(BackendCode.allCases))
  }

  @Test("tells the limits as they are")
  func limits() throws {
    let schemas = try #require(self.components["schemas"] as? [String: [String: Any]])
    for (name, most) in [
      ("UserName", UserName.maximumLength), ("DeviceName", DeviceName.maximumLength),
      ("MessageID", MessageID.maximumLength), ("Offset", Offset.maximumTextLength),
    ] {
      #expect(schemas[name]?["maxLength"] as? Int == most)
    }
    let user = try #require(schemas["User"]?["properties"] as? [String: [String: Any]])
    #expect(user["sessions"]?["maxItems"] as? Int == BackendAPILimits.listedDevices)
    let text = String(decoding: PackageResources.openapi_json, as: UTF8.self)
    let limits = BackendAPILimits.http(bodyBytes: BackendAPILimits.bodyBytes)
    for phrase in [
      "65,536 bytes by default",
      "\(limits.headerBytes / 1_024) KiB or \(limits.headerFields) fields",
      "\(limits.headMilliseconds / 1_000) s for its head",
      "\(limits.bodyMilliseconds / 1_000) s for its body",
      "idle for \(limits.idleMilliseconds / 1_000) s",
    ] {
      #expect(text.contains(phrase), "\(phrase)")
    }
    #expect(BackendAPILimits.bodyBytes == 65_536)
  }

  @Test(
    "takes the names that are taken", arguments: ["UserName", "DeviceName", "MessageID", "Offset"])
  func patterns(schema: String) throws {
    let schemas = try #require(self.components["schemas"] as? [String: [String: Any]])
    let pattern = try Regex(try #require(schemas[schema]?["pattern"] as? String))
    for byte in UInt8(0)...127 {
      let text = String(decoding: [byte], as: UTF8.self)
      let isName =
        switch schema {
        case "UserName": UserName(text) != nil
        case "DeviceName": DeviceName(text) != nil
        case "MessageID": MessageID(text) != nil
        default: false
        }
      #expect((text.wholeMatch(of: pattern) != nil) == isName, "\(byte)")
    }
    #expect(
      ("1-2".wholeMatch(of: pattern) != nil) == (schema != "UserName" || UserName("1-2") != nil))
  }
}
