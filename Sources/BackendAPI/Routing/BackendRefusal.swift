import ConnectProtocol
import HTTPServer
import NIOCore
import NIOHTTP1
import Redis

/// Why a request is not carried out: a code of the protocol and a sentence for people.
struct BackendRefusal: Error, Hashable {
  let code: BackendCode
  let message: String
  /// Methods of the path, if this one is not allowed.
  var allowed: String?

  init(_ code: BackendCode, _ message: String) {
    self.code = code
    self.message = message
  }

  static let notFound = BackendRefusal(
    .notFound, "no such path; /openapi.json says which there are")

  static func methodNotAllowed(_ method: HTTPMethod, allowed: String) -> BackendRefusal {
    var refusal = BackendRefusal(
      .methodNotAllowed, "this path does not take \(method.rawValue), only \(allowed)")
    refusal.allowed = allowed
    return refusal
  }

  /// The refusal for an error of Redis.
  ///
  /// - Parameter what: a sentence for where it may pass.
  init(_ error: RedisError, unavailable what: String) {
    switch error {
    case .server(let reply) where !reply.isTransient:
      self.init(.failed, "Redis refuses it; the log of messaging says why")
    case .unexpectedReply:
      self.init(.failed, "Redis answers in an unknown form; the log of messaging says more")
    case .server, .unavailable, .withheld, .unanswered, .unconfirmed:
      self.init(.unavailable, what)
    }
  }

  func response(label: String) -> PlainHTTPResponse {
    var headers: [(String, String)] = []
    switch self.code {
    case .unauthorized:
      headers.append(("www-authenticate", "Bearer"))
    case .unsupportedMediaType:
      // Of codings this is the only one (RFC 9110, section 15.5.16).
      headers.append(("accept-encoding", "identity"))
    case .methodNotAllowed:
      if let allowed = self.allowed { headers.append(("allow", allowed)) }
    case .overloaded:
      let wait = BackendAPILimits.retryAfterSeconds
      headers.append(("retry-after", "\(wait + Int.random(in: 0...wait))"))
    case .tooManyConnections, .unavailable:
      headers.append(("retry-after", "\(BackendAPILimits.retryAfterSeconds)"))
    default:
      break
    }
    return .json(
      HTTPResponseStatus(statusCode: self.code.status), headers: headers, label: label
    ) { $0.writeBackendRefusal(code: self.code, message: self.message) }
  }
}

extension PlainHTTPResponse {
  /// One line of JSON.
  static func json(
    _ status: HTTPResponseStatus, headers: [(String, String)] = [], label: String,
    _ write: (inout ByteBuffer) -> Void
  ) -> PlainHTTPResponse {
    var body = ByteBuffer()
    write(&body)
    body.writeString("\n")
    var response = PlainHTTPResponse(
      status: status, contentType: "application/json", headers: headers, body: body)
    response.label = label
    return response
  }
}

extension BackendRefusal {
  /// The refusal for a fault in the HTTP of a request.
  ///
  /// - Parameter limits: those that the server was made with.
  init(_ fault: HTTPFault, _ limits: HTTPServingLimits) {
    let code: BackendCode =
      switch fault {
      case .malformed: .malformed
      case .headerTooLarge: .headerTooLarge
      case .bodyTooLarge: .tooLarge
      case .unknownExpectation: .expectationFailed
      case .tooSlow: .tooSlow
      case .unanswered: .unavailable
      case .tooManyConnections: .tooManyConnections
      }
    self.init(code, fault.sentence(limits))
  }
}
