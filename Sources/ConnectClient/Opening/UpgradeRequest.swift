import ConnectProtocol
import NIOHTTP1
import WebSocket

/// The request that asks a gateway for a WebSocket, and what its answer must be.
///
/// Pure: it holds no socket.
struct UpgradeRequest {
  let head: HTTPRequestHead
  private let expectedAccept: String

  /// - Parameter token: not logged, and in no error. White space around it, such as the line end of a
  ///   file, is none of it.
  /// - Throws: when the token cannot stand in a header.
  init(
    to endpoint: ConnectEndpoint, device: DeviceName, since: Offset?, positions: UInt64? = nil,
    token: String, key: String = WebSocketHandshake.makeKey()
  ) throws(ConnectionEnd) {
    let start = token.firstIndex { !$0.isWhitespace } ?? token.endIndex
    let end = token.lastIndex { !$0.isWhitespace }.map(token.index(after:)) ?? start
    let token = token[start..<end]
    // What ends a header line early would let a token smuggle headers in.
    guard !token.isEmpty, token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw .invalidToken
    }
    var uri = "\(endpoint.path)?device=\(device.text)"
    if let since { uri += "&since=\(since)" }
    if let positions { uri += "&positions=\(positions)" }
    var headers = HTTPHeaders()
    headers.reserveCapacity(7)
    headers.add(name: "Host", value: endpoint.authority)
    headers.add(name: "Upgrade", value: "websocket")
    headers.add(name: "Connection", value: "Upgrade")
    headers.add(name: "Sec-WebSocket-Version", value: "13")
    headers.add(name: "Sec-WebSocket-Key", value: key)
    headers.add(name: "Sec-WebSocket-Protocol", value: Subprotocol.v1)
    headers.add(name: "Authorization", value: "Bearer \(token)")
    self.head = HTTPRequestHead(version: .http1_1, method: .GET, uri: uri, headers: headers)
    self.expectedAccept = WebSocketHandshake.acceptValue(forKey: key)
  }

  /// Kind of an answer.
  enum Answer: Hashable {
    /// The connection is a WebSocket from here on.
    case upgraded
    /// Something else; the body may say more.
    case refused(UpgradeRefusal)
    /// It agrees, but not to what was asked.
    case invalid(String)
  }

  /// Judges the head of a response, as RFC 6455, section 4.1, says.
  func answer(_ response: HTTPResponseHead) -> Answer {
    guard response.status.code == 101 else {
      return .refused(
        UpgradeRefusal(
          status: Int(response.status.code),
          retryAfterSeconds: response.headers[canonicalForm: "retry-after"].first
            .flatMap { UInt32($0) }.map(Int.init)))
    }
    let headers = response.headers
    guard
      headers[canonicalForm: "upgrade"].contains(where: { $0.lowercased() == "websocket" }),
      headers[canonicalForm: "connection"].contains(where: { $0.lowercased() == "upgrade" })
    else { return .invalid("the response does not upgrade to websocket") }
    guard headers[canonicalForm: "sec-websocket-accept"] == [self.expectedAccept[...]] else {
      return .invalid("Sec-WebSocket-Accept is not the answer to our key")
    }
    guard headers[canonicalForm: "sec-websocket-protocol"] == [Subprotocol.v1[...]] else {
      return .invalid("the server did not agree to the subprotocol \(Subprotocol.v1)")
    }
    guard headers["sec-websocket-extensions"].isEmpty else {
      return .invalid("the server chose an extension that was not offered")
    }
    return .upgraded
  }
}

/// Why a server did not upgrade the connection.
public struct UpgradeRefusal: Hashable, Sendable {
  /// The HTTP status.
  public var status: Int
  /// The `code` of the body: a `RefusalCode`, what a newer server says, or nil if there was none.
  public var code: String?
  /// The `message` of the body, for a person to read.
  public var message: String?
  /// How long to stay away, if the server said so.
  public var retryAfterSeconds: Int?

  /// A refusal with everything chosen.
  public init(
    status: Int, code: String? = nil, message: String? = nil, retryAfterSeconds: Int? = nil
  ) {
    self.status = status
    self.code = code
    self.message = message
    self.retryAfterSeconds = retryAfterSeconds
  }

  /// Takes code and message from the body, if it is the protocol's one-line JSON.
  mutating func read(body: [UInt8]) {
    // The object is what an `error` frame is, less its type: so that frame's reader reads it.
    guard let brace = body.firstIndex(of: UInt8(ascii: "{")) else { return }
    let frame = Array("{\"type\":\"error\",".utf8) + body[(brace + 1)...]
    guard
      case .error(let code, let message)? = frame.withUnsafeBytes({ try? ServerFrame.scan($0) })
    else { return }
    self.code = code
    self.message = message
  }
}

extension UpgradeRefusal: CustomStringConvertible {
  /// The message, or the status where there is none.
  public var description: String {
    guard let message = self.message else { return "HTTP status \(self.status)" }
    return "\(message) (\(self.code.map { "\($0), " } ?? "")HTTP status \(self.status))"
  }
}
