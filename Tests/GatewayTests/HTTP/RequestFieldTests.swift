import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import Gateway

@Suite("Of the protocols that a request would be upgraded to")
struct RequestFieldTests {
  private func reduced(_ fields: [String]) -> [String] {
    var headers = HTTPHeaders([("host", "x")] + fields.map { ("Upgrade", $0) })
    RequestFieldHandler.reduce(&headers)
    #expect(headers["host"] == ["x"])
    return headers["upgrade"]
  }

  @Test("one remains: WebSocket, however often it is there, or none")
  func reduction() {
    #expect(self.reduced([]) == [])
    #expect(self.reduced(["websocket"]) == ["websocket"])
    #expect(self.reduced(["WebSocket"]) == ["WebSocket"])
    #expect(self.reduced(["h2c"]) == ["h2c"])
    #expect(self.reduced(["websocket,websocket"]) == ["websocket"])
    #expect(self.reduced(["h2c, WebSocket", "websocket"]) == ["websocket"])
    #expect(self.reduced(Array(repeating: "websocket", count: 50)) == ["websocket"])
    #expect(
      self.reduced([Array(repeating: "websocket", count: 1_500).joined(separator: ",")]) == [
        "websocket"
      ])
    #expect(self.reduced(["h2c, h3", "x"]) == [])
  }

  @Test("none remains where a tab in `Connection` has the parser go on behind the request")
  func tabs() {
    for value in ["Upgrade", "keep-alive, Upgrade", " upgrade ,x"] {
      #expect(RequestFieldHandler.isReadAsUpgrade(["connection": value]))
    }
    for value in ["Upgrade\t", "\tUpgrade", "Upgrade\t, x", "x, Upgrade \t"] {
      #expect(!RequestFieldHandler.isReadAsUpgrade(["connection": value]))
      #expect(!RequestFieldHandler.isReadAsUpgrade(["connection": "x", "Connection": value]))
    }
  }

  @Test("nothing is seen that comes behind the first request")
  func firstOnly() throws {
    let channel = EmbeddedChannel(handler: RequestFieldHandler())
    let head = HTTPServerRequestPart.head(
      HTTPRequestHead(version: .http1_1, method: .GET, uri: "/first"))
    for part in [head, .body(ByteBuffer(string: "x")), .end(nil), head, .end(nil)] {
      try channel.writeInbound(part)
    }
    var seen: [HTTPServerRequestPart] = []
    while let part = try channel.readInbound(as: HTTPServerRequestPart.self) { seen.append(part) }
    #expect(seen == [head, .body(ByteBuffer(string: "x")), .end(nil)])
    _ = try channel.finish()
  }

  @Test("bytes are passed on that the decoder gives back behind an upgrade")
  func bytesBehind() throws {
    let channel = EmbeddedChannel(handler: RequestFieldHandler())
    let head = HTTPServerRequestPart.head(
      HTTPRequestHead(version: .http1_1, method: .GET, uri: "/"))
    for part in [head, .end(nil)] {
      try channel.writeInbound(part)
      #expect(try channel.readInbound(as: HTTPServerRequestPart.self) == part)
    }
    try channel.writeInbound(ByteBuffer(string: "frames"))
    #expect(try channel.readInbound(as: ByteBuffer.self) == ByteBuffer(string: "frames"))
    _ = try channel.finish()
  }
}
