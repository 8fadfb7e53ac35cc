import HTTPServer
import NIOCore
import NIOHTTP1

/// Lets one request through, with fields that are fit to be compared: values without white space around them, and
/// of all the protocols that it would be upgraded to, one `websocket` or none: none, too, where the parser of HTTP would go
/// on behind the request.
///
/// NIO asks the upgrader once for each element of the `Upgrade` fields, until one of them succeeds: a
/// header full of them would have one token verified a thousand times.
///
/// Stands before NIO's handler of upgrades, until the connection is upgraded. That handler keeps what comes behind the
/// request, and whoever takes frames afterwards would get it as HTTP. Bytes are passed on: the decoder gives back those
/// that came right behind an upgrade, which are frames.
final class RequestFieldHandler: ChannelInboundHandler, RemovableChannelHandler {
  /// Parts of a request, or bytes.
  typealias InboundIn = Any
  typealias InboundOut = HTTPServerRequestPart

  private var hasEnded = false

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard let part = self.unwrapInboundIn(data) as? HTTPServerRequestPart else {
      return context.fireChannelRead(data)
    }
    guard !self.hasEnded else { return }
    switch part {
    case .head(var head):
      if !Self.isReadAsUpgrade(head.headers) { head.headers.remove(name: "upgrade") }
      head.headers.stripOptionalWhitespace()
      Self.reduce(&head.headers)
      context.fireChannelRead(self.wrapInboundOut(.head(head)))
    case .body:
      context.fireChannelRead(data)
    case .end:
      self.hasEnded = true
      context.fireChannelRead(data)
    }
  }

  /// Whether the parser of HTTP, too, treats a request with this `Connection` as an upgrade.
  ///
  /// It takes a word with a tab behind it for another word (llhttp 9), and would parse what follows as the next
  /// request, which nothing handles after an upgrade.
  static func isReadAsUpgrade(_ headers: HTTPHeaders) -> Bool {
    !headers["connection"].contains { $0.utf8.contains(UInt8(ascii: "\t")) }
  }

  static func reduce(_ headers: inout HTTPHeaders) {
    let protocols = headers[canonicalForm: "upgrade"]
    guard protocols.count > 1 else { return }
    headers.remove(name: "upgrade")
    if protocols.contains(where: { $0.lowercased() == ConnectUpgrader.protocolName }) {
      headers.add(name: "upgrade", value: ConnectUpgrader.protocolName)
    }
  }
}
