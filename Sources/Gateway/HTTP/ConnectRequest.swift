import ConnectProtocol
import HTTPServer
import NIOCore
import NIOHTTP1
import WebSocket

/// The parameters of a request to `/v1/connect`, as far as they are known without its token.
struct ConnectRequest: Hashable {
  static let path = "/v1/connect"

  /// The only version of WebSocket.
  private static let version = "13"

  let device: DeviceName
  /// Replay from here instead of the stored cursor.
  let since: Offset?
  /// The stamp above which positions are told; nil for none.
  let positions: UInt64?
  /// Not yet checked. Never logged.
  let token: String
  /// Whether the client offered a subprotocol, so that the answer must name the chosen one.
  let namesSubprotocol: Bool
  /// The `Sec-WebSocket-Key`, from which the answer follows.
  private let key: String

  /// Reads the request's line and headers, whose values have no white space around them.
  ///
  /// - Parameter allowedOrigins: from where browsers may connect.
  init(_ head: HTTPRequestHead, allowedOrigins: AllowedOrigins) throws(Refusal) {
    guard head.isHTTP11 else { throw Refusal(.malformed, HTTPRequestHead.isHTTP11Rule) }
    guard head.method == .GET else { throw Refusal(.malformed, "the upgrade must be a GET") }
    guard head.headers.values(of: "sec-websocket-version") == [Self.version] else {
      throw Refusal(
        .malformed, "Sec-WebSocket-Version must be there once, as \(Self.version) (RFC 6455)")
    }
    let keys = head.headers.values(of: "sec-websocket-key")
    guard keys.count == 1, WebSocketHandshake.isKey(keys[0]) else {
      throw Refusal(
        .malformed, "Sec-WebSocket-Key must be there once, as 16 bytes in Base64 (RFC 6455)")
    }
    self.key = keys[0]
    let query = try Self.query(of: head.uri)

    let device = query.last { $0.name == "device" }?.value
    guard let name = device.map({ DeviceName($0) }) ?? .default else {
      throw Refusal(.malformed, "device must be \(DeviceName.alphabet)")
    }
    self.device = name

    let since = query.last { $0.name == "since" }?.value
    if let since {
      guard let offset = Offset(since) else {
        throw Refusal(.malformed, "since must be an offset, <milliseconds>-<sequence>, or 0")
      }
      self.since = offset
    } else {
      self.since = nil
    }

    let positions = query.last { $0.name == "positions" }?.value
    if let positions {
      guard let stamp = UInt64(positions) else {
        throw Refusal(.malformed, "positions must be a stamp, a whole number, or 0")
      }
      self.positions = stamp
    } else {
      self.positions = nil
    }

    guard allowedOrigins.allow(head.headers.values(of: "origin").map { WebOrigin($0) }) else {
      throw Refusal(.forbidden, "this origin may not connect")
    }

    let offers = head.headers.elements(of: "sec-websocket-protocol").map(String.init)
    guard offers.isEmpty || offers.contains(Subprotocol.v1) else {
      throw Refusal(.malformed, "the subprotocol must be \(Subprotocol.v1)")
    }
    self.namesSubprotocol = !offers.isEmpty
    self.token = try Self.token(in: head.headers, offers: offers)
  }

  private static func token(
    in headers: HTTPHeaders, offers: [String]
  ) throws(Refusal) -> String {
    switch BearerCredentials(headers) {
    case .none: break
    case .token(let token): return token
    case .malformed:
      throw Refusal(.unauthorized, "the Authorization header must be, once: Bearer <token>")
    }
    if let offer = offers.first(where: { $0.hasPrefix(Subprotocol.bearerPrefix) }) {
      return String(offer.dropFirst(Subprotocol.bearerPrefix.count))
    }
    throw Refusal(
      .unauthorized,
      "a token is needed: Authorization: Bearer <token>, or the subprotocol "
        + "\(Subprotocol.bearerPrefix)<token>")
  }

  private static func query(
    of uri: String
  ) throws(Refusal) -> [(name: String, value: String)] {
    guard let query = RequestTarget.split(uri).query else { return [] }
    var result: [(name: String, value: String)] = []
    for part in query.utf8.split(separator: UInt8(ascii: "&")) {
      let pair = part.split(
        separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      guard let name = Self.percentDecoded(Substring(pair[0])),
        let value = Self.percentDecoded(pair.count == 2 ? Substring(pair[1]) : "")
      else {
        throw Refusal(.malformed, "the query has a broken percent escape")
      }
      result.append((name, value))
    }
    return result
  }

  private static func percentDecoded(_ text: Substring) -> String? {
    guard text.utf8.contains(UInt8(ascii: "%")) else { return String(text) }
    return RequestTarget.percentDecoded(text).flatMap { String(validating: $0, as: UTF8.self) }
  }

  /// The answer that upgrades the connection (RFC 6455, section 4.2.2).
  var acceptance: ByteBuffer {
    var answer = ByteBuffer(
      string: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n")
    answer.writeString(
      "Sec-WebSocket-Accept: \(WebSocketHandshake.acceptValue(forKey: self.key))\r\n")
    if self.namesSubprotocol {
      answer.writeString("Sec-WebSocket-Protocol: \(Subprotocol.v1)\r\n")
    }
    answer.writeString("\r\n")
    return answer
  }
}

extension HTTPHeaders {
  /// Whether they ask for an upgrade to WebSocket (RFC 6455, section 4.2.1).
  ///
  /// Not with a tab in `Connection`: the parser takes a word with a tab behind it for another word (llhttp 9), and
  /// would parse what comes behind the request, which are frames, as the next one.
  var askForWebSocket: Bool {
    self.elements(of: "upgrade").contains { $0.lowercased() == "websocket" }
      && self.elements(of: "connection").contains { $0.lowercased() == "upgrade" }
      && !self.values(of: "connection").contains { $0.utf8.contains(UInt8(ascii: "\t")) }
  }
}
