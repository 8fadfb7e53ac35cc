import NIOHTTP1

/// A fault of a request that is found before anybody looks at what it asks for.
package enum HTTPFault: Error, Hashable, CaseIterable {
  /// It is not HTTP/1.
  case malformed
  /// Its header is over the limits.
  case headerTooLarge
  /// Its body is over the limit.
  case bodyTooLarge
  /// Its `Expect` is not `100-continue`.
  case unknownExpectation
  /// It did not come whole in time.
  case tooSlow
  /// Its answer was not found in time, or not at all.
  case unanswered
  /// The server has all the connections it takes.
  case tooManyConnections
}

extension HTTPFault {
  /// The message for a request that the parser refuses.
  package static func parserMessage(
    _ fault: HTTPFault, headerBytes: Int, headerFields: Int
  ) -> String {
    fault == .headerTooLarge
      ? "the header is over \(headerBytes) bytes or \(headerFields) fields"
      : "the request is not HTTP/1.1, or not as RFC 9112 has it"
  }

  /// A sentence about the fault.
  ///
  /// - Parameter limits: those of the server.
  package func sentence(_ limits: HTTPServingLimits) -> String {
    switch self {
    case .malformed, .headerTooLarge:
      Self.parserMessage(self, headerBytes: limits.headerBytes, headerFields: limits.headerFields)
    case .bodyTooLarge: "the body is over \(limits.bodyBytes) bytes"
    case .unknownExpectation: "the only Expect that is met is 100-continue"
    case .tooSlow:
      "the request was not complete in time: its head has \(limits.headMilliseconds / 1_000) s, "
        + "its body \(limits.bodyMilliseconds / 1_000) s"
    case .unanswered: "it could not be made sure in time that it is done; ask again"
    case .tooManyConnections: "there are \(limits.connections) connections already"
    }
  }

  /// The fault that NIO's parser found; nil for other errors, and if the client has gone in the
  /// middle of a request.
  package init?(parsing error: any Error) {
    switch error as? HTTPParserError {
    case nil, .invalidEOFState: return nil
    case .headerOverflow: self = .headerTooLarge
    case .some: self = .malformed
    }
  }
}
