import ConnectProtocol
import Foundation

/// A JSON value as Foundation reads it.
enum JSONValue: Equatable {
  case null
  case bool(Bool)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  /// The value that `bytes` are to `JSONSerialization`, or nil.
  init?(_ bytes: [UInt8]) {
    guard
      let any = try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
    else { return nil }
    self.init(any: any)
  }

  private init(any: Any) {
    switch any {
    case let object as [String: Any]: self = .object(object.mapValues { JSONValue(any: $0) })
    case let array as [Any]: self = .array(array.map { JSONValue(any: $0) })
    case let string as String: self = .string(string)
    case let number as NSNumber where String(cString: number.objCType) == "c":
      self = .bool(number.boolValue)
    case let number as NSNumber: self = .number(number.doubleValue)
    default: self = .null
    }
  }

  var object: [String: JSONValue]? {
    if case .object(let object) = self { object } else { nil }
  }

  var string: String? {
    if case .string(let string) = self { string } else { nil }
  }
}

/// A payload as a client frame, told once by the scanner and once by reading Protocol.md word for
/// word over Foundation's values: the two must agree.
enum PlainReading: Equatable {
  case send(id: String, to: String, body: JSONValue, options: [Bool], retry: ClientFrame.Retry)
  case read(peer: String, offset: Offset, isPrivate: Bool, id: String?)
  case ack(Offset)
  case ping(String?)
  case error(FrameError.Kind, messageID: String?)

  var isFrame: Bool {
    if case .error = self { false } else { true }
  }

  var errorKind: FrameError.Kind? {
    if case .error(let kind, _) = self { kind } else { nil }
  }

  /// The scanner's reading.
  init(scanning bytes: [UInt8]) {
    do throws(FrameError) {
      switch try clientFrame(bytes) {
      case .ack(let offset): self = .ack(offset)
      case .ping(let id): self = .ping(id)
      case .send(let send):
        self = .send(
          id: send.id.text, to: send.to.text, body: JSONValue(Array(bytes[send.body])) ?? .null,
          options: [send.receipt, send.copy, send.quiet], retry: send.retry)
      case .read(let read):
        self = .read(
          peer: read.peer.text, offset: read.offset, isPrivate: read.isPrivate, id: read.id?.text)
      }
    } catch {
      self = .error(error.kind, messageID: error.messageID?.text)
    }
  }

  /// Foundation's reading.
  init(_ bytes: [UInt8]) {
    guard String(validating: bytes, as: UTF8.self) != nil else {
      self = .error(.notUTF8, messageID: nil)
      return
    }
    guard let object = JSONValue(bytes)?.object, let type = object["type"]?.string else {
      self = .error(.malformed, messageID: nil)
      return
    }
    switch type {
    case "send": self = Self.send(object)
    case "read": self = Self.read(object)
    case "ack":
      let offset = object["offset"]?.string.flatMap { Offset($0) }
      self = offset.map(Self.ack) ?? .error(.malformed, messageID: nil)
    case "ping":
      switch object["id"] {
      case nil, .null: self = .ping(nil)
      case .string(let id): self = .ping(id)
      default: self = .error(.malformed, messageID: nil)
      }
    default: self = .error(.unknownType, messageID: nil)
    }
  }

  private static func send(_ object: [String: JSONValue]) -> PlainReading {
    guard let id = object["id"]?.string else { return .error(.malformed, messageID: nil) }
    guard id.wholeMatch(of: /[A-Za-z0-9._:\-]{1,64}/) != nil else {
      return .error(.invalidID, messageID: nil)
    }
    guard let to = object["to"]?.string else { return .error(.malformed, messageID: id) }
    guard to.wholeMatch(of: /[A-Za-z0-9._\-@+:]{1,128}/) != nil else {
      return .error(.invalidRecipient, messageID: id)
    }
    guard let body = object["body"] else { return .error(.malformed, messageID: id) }
    var options: [Bool] = []
    for name in ["receipt", "copy", "quiet"] {
      switch object[name] {
      case nil, .null: options.append(false)
      case .bool(let value): options.append(value)
      default: return .error(.malformed, messageID: id)
      }
    }
    let retry: ClientFrame.Retry
    switch object["retry"] {
    case nil, .null, .bool(false): retry = .no
    case .bool(true): retry = .yes
    case .number(let number):
      guard let time = UInt64(exactly: number) else { return .error(.malformed, messageID: id) }
      retry = .firstSent(time)
    default: return .error(.malformed, messageID: id)
    }
    return .send(id: id, to: to, body: body, options: options, retry: retry)
  }

  private static func read(_ object: [String: JSONValue]) -> PlainReading {
    var id: String?
    switch object["id"] {
    case nil, .null: break
    case .string(let text):
      guard text.wholeMatch(of: /[A-Za-z0-9._:\-]{1,64}/) != nil else {
        return .error(.invalidID, messageID: nil)
      }
      id = text
    default: return .error(.malformed, messageID: nil)
    }
    guard let peer = object["peer"]?.string else { return .error(.malformed, messageID: id) }
    guard peer.wholeMatch(of: /[A-Za-z0-9._\-@+:]{1,128}/) != nil else {
      return .error(.invalidRecipient, messageID: id)
    }
    guard let offset = object["offset"]?.string.flatMap({ Offset($0) }) else {
      return .error(.malformed, messageID: id)
    }
    switch object["private"] {
    case nil, .null: return .read(peer: peer, offset: offset, isPrivate: false, id: id)
    case .bool(let isPrivate):
      return .read(peer: peer, offset: offset, isPrivate: isPrivate, id: id)
    default: return .error(.malformed, messageID: id)
    }
  }
}
