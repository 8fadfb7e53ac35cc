import NIOCore

/// The payload of a close frame: empty, or a status code and perhaps a reason (RFC 6455 §5.5.1).
enum WebSocketClosePayload {
  /// Whether a code may appear in a close frame (RFC 6455 §7.4, and IANA's registry for 1012–1014).
  ///
  /// 1004 is reserved, 1005, 1006 and 1015 are for reporting locally and must not be sent, and all
  /// between 1016 and 2999 is for later versions and extensions.
  static func isValid(code: UInt16) -> Bool {
    switch code {
    case 1000...1003, 1007...1014, 3000...4999: true
    default: false
    }
  }

  static func parse(
    _ payload: consuming ByteBuffer
  ) throws(WebSocketError) -> (code: UInt16?, reason: ByteBuffer) {
    guard payload.readableBytes > 0 else { return (nil, ByteBuffer()) }
    guard let code = payload.readInteger(as: UInt16.self) else {
      throw WebSocketError(.invalidCloseCode, "a close frame's payload has a single byte")
    }
    guard isValid(code: code) else {
      throw WebSocketError(.invalidCloseCode, "close code \(code) may not be sent")
    }
    let isText = payload.withUnsafeReadableBytes { String(validating: $0, as: UTF8.self) != nil }
    guard isText else {
      throw WebSocketError(.invalidCloseReason, "a close frame's reason is not UTF-8")
    }
    return (code, payload)
  }
}
