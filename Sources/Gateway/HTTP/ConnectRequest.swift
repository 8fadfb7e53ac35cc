import ConnectProtocol
import HTTPServer
import NIOHTTP1
import WebSocket

/// The parameters of a request to `/v1/connect`, as far as they are known without its token.
struct ConnectRequest: Hashable {
  static let path = "/v1/connect"

  let device: DeviceName
  /// Replay from here instead of the stored cursor.
  let since: Offset?
  /// The stamp above which positions are told; nil for none.
  let positions: UInt64?
  /// Not yet checked. Never logged.
  let token: String
  /// Whether the client offered a subprotocol, so that the answer must name the chosen one.
  let namesSubprotocol: Bool

  /// Reads the request's line and headers, whose values have no white space around them.
  ///
  /// - Parameter allowedOrigins: from where browsers may connect.
  init(_ head: HTTPRequestHead, allowedOrigins: AllowedOrigins) throws(Refusal) {
    guard head.isHTTP11 else { throw Refusal(.malformed, HTTPRequestHead.isHTTP11Rule) }
    guard head.method == .GET else { throw Refusal(.malformed, "the upgrade must be a GET") }
    let keys = head.headers["sec-websocket-key"]
    guard keys.count == 1, WebSocketHandshake.isKey(keys[0]) else {
      throw Refusal(
        .malformed, "Sec-WebSocket-Key must be there once, as 16 bytes in Base64 (RFC 6455)")
    }
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

    guard allowedOrigins.allow(head.headers["origin"].map { WebOrigin($0) }) else {
      throw Refusal(.forbidden, "this origin may not connect")
    }

    let offers = head.headers[canonicalForm: "sec-websocket-protocol"].map(String.init)
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
    for part in query.split(separator: "&") {
      let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let name = Self.percentDecoded(pair[0]),
        let value = Self.percentDecoded(pair.count == 2 ? pair[1] : "")
      else {
        throw Refusal(.malformed, "the query has a broken percent escape")
      }
      result.append((name, value))
    }
    return result
  }

  private static func percentDecoded(_ text: Substring) -> String? {
    guard text.contains("%") else { return String(text) }
    return RequestTarget.percentDecoded(text).flatMap { String(validating: $0, as: UTF8.self) }
  }
}
