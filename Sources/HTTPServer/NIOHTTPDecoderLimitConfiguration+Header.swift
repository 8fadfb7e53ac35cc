import NIOHTTP1

extension NIOHTTPDecoderLimitConfiguration {
  /// Limits of a request's header: NIO's own take 2 MB.
  package init(headerBytes: Int, headerFields: Int) {
    self.init()
    self.maxHeaderListSize = headerBytes
    self.maxHeaderFieldSize = headerBytes
    self.maxHeaderFieldCount = headerFields
  }
}
