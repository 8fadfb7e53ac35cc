import NIOHTTP1

extension HTTPRequestHead {
  /// The rule of ``isHTTP11``, in a sentence.
  package static let isHTTP11Rule =
    "the request must be of HTTP/1.1, and have one Host (RFC 9112, section 3.2)"

  /// Whether it is a request of HTTP/1.1 as far as NIO's parser does not look at it.
  package var isHTTP11: Bool { self.version == .http1_1 && self.headers["host"].count == 1 }
}
