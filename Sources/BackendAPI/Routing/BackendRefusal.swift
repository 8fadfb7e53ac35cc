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

  /// What an error of Redis means for who asked.
  ///
  /// - Parameter what: a sentence for where it may pass.
  init(_ error: RedisError, unavailable what: String) {
    switch error {
    case .server(let reply) where !reply.isTransient:
      self.init(.failed, "Redis refuses it; the log of messaging says why")
    case .unexpectedReply:
      self.init(.failed, "Redis answers in an unknown form; the log of messaging says more")
    case .server, .unavailable, .withheld, .unanswered:
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

extension HTTPFault {
  /// What is said of it.
  ///
  /// - Parameter limits: those that the server was made with.
  func refusal(_ limits: HTTPServingLimits) -> BackendRefusal {
    switch self {
    case .malformed, .headerTooLarge:
      BackendRefusal(
        self == .malformed ? .malformed : .headerTooLarge,
        HTTPFault.parserMessage(
          self, headerBytes: limits.headerBytes, headerFields: limits.headerFields))
    case .bodyTooLarge:
      BackendRefusal(.tooLarge, "the body is over \(limits.bodyBytes) bytes")
    case .unknownExpectation:
      BackendRefusal(.expectationFailed, "the only Expect that is met is 100-continue")
    case .tooSlow:
      BackendRefusal(
        .tooSlow,
        "the request was not complete in time: its head has \(limits.headMilliseconds / 1_000) s, "
          + "its body \(limits.bodyMilliseconds / 1_000) s")
    case .unanswered:
      BackendRefusal(.unavailable, "it could not be made sure in time that it is done; ask again")
    case .tooManyConnections:
      BackendRefusal(
        .tooManyConnections, "there are \(limits.connections) connections already")
    }
  }
}
