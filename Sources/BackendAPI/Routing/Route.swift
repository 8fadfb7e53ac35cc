import ConnectProtocol
import HTTPServer
import NIOHTTP1

enum Route: Hashable {
  case sendMessage
  case showUser(UserName)
  case eraseUser(UserName)
  case disconnectUser(UserName, DeviceName?)
  /// What backends may ask.
  case describe
  /// What apps and gateways say to each other.
  case describeFrames
  case health

  /// The name under which answers are counted.
  var label: String {
    switch self {
    case .sendMessage: "messages"
    case .showUser: "user"
    case .eraseUser: "erase"
    case .disconnectUser: "disconnect"
    case .describe: "openapi"
    case .describeFrames: "asyncapi"
    case .health: "healthz"
    }
  }

  /// Label of answers that belong to no route.
  static let otherLabel = "other"

  /// Whether no token is needed.
  static func isPublic(_ uri: String) -> Bool {
    Self.isHealth(uri)
      || ["/openapi.json", "/asyncapi.json"].contains(RequestTarget.split(uri).path)
  }

  /// Whether it is the path for load balancers, which may use HTTP/1.0.
  static func isHealth(_ uri: String) -> Bool { RequestTarget.split(uri).path == "/healthz" }

  init(_ head: HTTPRequestHead) throws(BackendRefusal) {
    let (path, query) = RequestTarget.split(head.uri)
    let segments = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
    switch (Array(segments), head.method) {
    case (["healthz"], let method) where PlainHTTPResponse.isHealthMethod(method):
      self = .health
    case (["healthz"], _):
      throw .methodNotAllowed(head.method, allowed: PlainHTTPResponse.healthMethods)
    case (["openapi.json"], .GET), (["openapi.json"], .HEAD):
      try Self.checkNoQuery(query)
      self = .describe
    case (["asyncapi.json"], .GET), (["asyncapi.json"], .HEAD):
      try Self.checkNoQuery(query)
      self = .describeFrames
    case (["openapi.json"], _), (["asyncapi.json"], _):
      throw .methodNotAllowed(head.method, allowed: "GET, HEAD")
    case (["v1", "messages"], .POST):
      try Self.checkNoQuery(query)
      self = .sendMessage
    case (["v1", "messages"], _):
      throw .methodNotAllowed(head.method, allowed: "POST")
    case (let parts, let method) where parts.starts(with: ["v1", "users"]):
      self = try Self.user(parts.dropFirst(2), method, query)
    default:
      throw .notFound
    }
  }

  private static func user(
    _ parts: ArraySlice<Substring>, _ method: HTTPMethod, _ query: Substring?
  ) throws(BackendRefusal) -> Route {
    guard let name = parts.first, !name.isEmpty else { throw .notFound }
    switch (Array(parts.dropFirst()), method) {
    case ([], .GET), ([], .HEAD):
      try Self.checkNoQuery(query)
      return .showUser(try Self.userName(name))
    case ([], .DELETE):
      try Self.checkNoQuery(query)
      return .eraseUser(try Self.userName(name))
    case ([], _):
      throw .methodNotAllowed(method, allowed: "GET, HEAD, DELETE")
    case (["disconnect"], .POST):
      return .disconnectUser(try Self.userName(name), try Self.device(in: query))
    case (["disconnect"], _):
      throw .methodNotAllowed(method, allowed: "POST")
    default:
      throw .notFound
    }
  }

  private static func userName(_ text: Substring) throws(BackendRefusal) -> UserName {
    guard let bytes = RequestTarget.percentDecoded(text) else {
      throw BackendRefusal(.malformed, "the path has a % that two hexadecimal digits do not follow")
    }
    guard let user = bytes.withUnsafeBytes({ UserName(utf8: $0) }) else {
      throw BackendRefusal(.invalidUser, "the user in the path must be \(UserName.alphabet)")
    }
    return user
  }

  /// A parameter that is ignored would seem to have had its effect.
  private static func checkNoQuery(_ query: Substring?) throws(BackendRefusal) {
    guard query ?? "" == "" else {
      throw BackendRefusal(.malformed, "this path takes no query")
    }
  }

  /// A misspelt parameter must not mean all devices.
  private static func device(in query: Substring?) throws(BackendRefusal) -> DeviceName? {
    guard let query, !query.isEmpty else { return nil }
    let parts = query.split(separator: "&", omittingEmptySubsequences: false)
    guard parts.count == 1, parts[0].hasPrefix("device=") else {
      throw BackendRefusal(.malformed, "the query may be device=<device>, once, and nothing else")
    }
    guard let bytes = RequestTarget.percentDecoded(parts[0].dropFirst("device=".count)),
      let device = bytes.withUnsafeBytes({ DeviceName(utf8: $0) })
    else {
      throw BackendRefusal(.malformed, "`device` must be \(DeviceName.alphabet)")
    }
    return device
  }
}
