import ConnectProtocol
import NIOCore

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The body of a message: one JSON value, byte for byte as it is sent.
///
/// To send a value of your own, give it to `send` as it is, or make a body of it by ``init(encoding:)``. A body
/// that you have as JSON already, as text or as bytes, is made by `MessageBody(json:)`. What came is read by ``decode(_:)``, or as ``json`` or ``bytes``.
public struct MessageBody: Hashable, Sendable {
  /// From a ``ConnectClientCore`` it is a slice of the receive buffer: to keep it for long, take ``compact``.
  package let buffer: ByteBuffer

  /// - Parameter buffer: one JSON value. It is not checked.
  package init(_ buffer: ByteBuffer) { self.buffer = buffer }

  /// The JSON of a value, as Foundation's encoder writes it. A `String` becomes a JSON string.
  ///
  /// - Throws: ``ConnectSendError/malformedBody(_:)`` if the value cannot be written as JSON.
  public init(encoding value: some Encodable) throws(ConnectSendError) {
    let bytes: [UInt8]
    do {
      let encoder = JSONEncoder()
      encoder.outputFormatting = .withoutEscapingSlashes
      bytes = Array(try encoder.encode(value))
    } catch {
      throw .malformedBody("\(error)")
    }
    try self.init(json: bytes)
  }

  /// A body that is JSON already, such as `{"text":"hi"}`.
  ///
  /// - Throws: ``ConnectSendError/malformedBody(_:)`` if it is not one JSON value; it says where.
  public init(json: String) throws(ConnectSendError) { try self.init(json: json.utf8) }

  /// The same in UTF-8.
  ///
  /// - Throws: ``ConnectSendError/malformedBody(_:)`` if it is not one JSON value; it says where.
  public init(json bytes: some Sequence<UInt8>) throws(ConnectSendError) {
    self.buffer = ByteBuffer(bytes: bytes)
    do throws(FrameError) {
      try self.buffer.withUnsafeReadableBytes { (raw) throws(FrameError) in
        try JSONBody.check(raw)
      }
    } catch {
      throw .malformedBody(error.message)
    }
  }

  /// The JSON, as text.
  public var json: String { String(buffer: self.buffer) }

  /// The JSON, in UTF-8.
  public var bytes: [UInt8] { Array(self.buffer.readableBytesView) }

  /// The value that the JSON stands for, as Foundation's decoder reads it.
  ///
  /// - Throws: `DecodingError` if the sender sent something else.
  public func decode<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
    try JSONDecoder().decode(type, from: Data(self.buffer.readableBytesView))
  }

  /// The same in a buffer of its own. A slice would keep a whole receive buffer for as long as it lives.
  package var compact: MessageBody {
    MessageBody(ByteBuffer(bytes: self.buffer.readableBytesView))
  }
}

extension MessageBody: CustomStringConvertible {
  /// The JSON.
  public var description: String { self.json }
}
