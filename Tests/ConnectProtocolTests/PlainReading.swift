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
  case conversations(id: String?, limit: Int, before: String?)
  case history(id: String?, with: String?, before: Offset?, limit: Int)
  case signal(id: String?, to: String, name: String, body: JSONValue?)
  case presence(id: String?, users: [String], watch: Bool)
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
      case .conversations(let request):
        self = .conversations(
          id: request.id?.text, limit: request.limit, before: request.before.map { "\($0)" })
      case .history(let request):
        self = .history(
          id: request.id?.text, with: request.peer?.text, before: request.before,
          limit: request.limit)
      case .signal(let signal):
        self = .signal(
          id: signal.id?.text, to: signal.to.text, name: signal.name.text,
          body: signal.body.flatMap { JSONValue(Array(bytes[$0])) })
      case .presence(let request):
        self = .presence(
          id: request.id?.text, users: request.users.map(\.text), watch: request.watch)
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
    guard let object = JSONValue(bytes)?.object else {
      self = .error(.malformed, messageID: nil)
      return
    }
    let id = object["id"]?.string.flatMap {
      $0.wholeMatch(of: /[A-Za-z0-9._:\-]{1,64}/) == nil ? nil : $0
    }
    guard let type = object["type"]?.string else {
      self = .error(.malformed, messageID: id)
      return
    }
    switch type {
    case "send": self = Self.send(object)
    case "read", "conversations", "history", "signal", "presence":
      self = Self.request(type, object)
    case "ack":
      let offset = object["offset"]?.string.flatMap { Offset($0) }
      self = offset.map(Self.ack) ?? .error(.malformed, messageID: id)
    case "ping":
      switch object["id"] {
      case nil, .null: self = .ping(nil)
      case .string(let id): self = .ping(id)
      default: self = .error(.malformed, messageID: nil)
      }
    default: self = .error(.unknownType, messageID: id)
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

  /// What is wrong with a request, apart from its id.
  private struct Fault: Error {
    let kind: FrameError.Kind
  }

  private static func request(_ type: String, _ object: [String: JSONValue]) -> PlainReading {
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
    do throws(Fault) {
      return try Self.request(type, object, id: id)
    } catch {
      return .error(error.kind, messageID: id)
    }
  }

  private static func request(
    _ type: String, _ object: [String: JSONValue], id: String?
  ) throws(Fault) -> PlainReading {
    switch type {
    case "conversations":
      let limit = try Self.limit(object, default: 20, maximum: 50)
      guard let before = try Self.text(object, "before") else {
        return .conversations(id: id, limit: limit, before: nil)
      }
      if let offset = Offset(before) {
        return .conversations(id: id, limit: limit, before: "\(offset)")
      }
      guard let match = before.wholeMatch(of: /positions:(0|[1-9][0-9]*)/),
        let stamp = UInt64(match.1)
      else { throw Fault(kind: .malformed) }
      return .conversations(id: id, limit: limit, before: "positions:\(stamp)")
    case "history":
      let peer = try Self.text(object, "with").map(Self.user)
      let before = try Self.text(object, "before").map(Self.offset)
      return .history(
        id: id, with: peer, before: before,
        limit: try Self.limit(object, default: 50, maximum: 100))
    case "signal":
      let to = try Self.user(try Self.needed(object, "to"))
      let name = try Self.needed(object, "name")
      guard name.wholeMatch(of: /[A-Za-z0-9._:\-]{1,64}/) != nil else {
        throw Fault(kind: .malformed)
      }
      return .signal(id: id, to: to, name: name, body: object["body"])
    case "presence":
      guard case .array(let elements) = object["users"], elements.count <= 100 else {
        throw Fault(kind: .malformed)
      }
      var users: [String] = []
      for element in elements {
        guard let name = element.string else { throw Fault(kind: .malformed) }
        let user = try Self.user(name)
        if !users.contains(user) { users.append(user) }
      }
      return .presence(id: id, users: users, watch: try Self.flag(object, "watch"))
    default:
      return .read(
        peer: try Self.user(try Self.needed(object, "peer")),
        offset: try Self.offset(try Self.needed(object, "offset")),
        isPrivate: try Self.flag(object, "private"), id: id)
    }
  }

  private static func text(
    _ object: [String: JSONValue], _ name: String
  ) throws(Fault) -> String? {
    switch object[name] {
    case nil, .null: return nil
    case .string(let text): return text
    default: throw Fault(kind: .malformed)
    }
  }

  private static func needed(
    _ object: [String: JSONValue], _ name: String
  ) throws(Fault) -> String {
    guard let text = object[name]?.string else { throw Fault(kind: .malformed) }
    return text
  }

  private static func user(_ text: String) throws(Fault) -> String {
    guard text.wholeMatch(of: /[A-Za-z0-9._\-@+:]{1,128}/) != nil else {
      throw Fault(kind: .invalidRecipient)
    }
    return text
  }

  private static func offset(_ text: String) throws(Fault) -> Offset {
    guard let offset = Offset(text) else { throw Fault(kind: .malformed) }
    return offset
  }

  private static func flag(
    _ object: [String: JSONValue], _ name: String
  ) throws(Fault) -> Bool {
    switch object[name] {
    case nil, .null: return false
    case .bool(let value): return value
    default: throw Fault(kind: .malformed)
    }
  }

  private static func limit(
    _ object: [String: JSONValue], default: Int, maximum: Int
  ) throws(Fault) -> Int {
    switch object["limit"] {
    case nil, .null: return `default`
    case .number(let number):
      guard let limit = Int(exactly: number), (1...maximum).contains(limit) else {
        throw Fault(kind: .malformed)
      }
      return limit
    default: throw Fault(kind: .malformed)
    }
  }
}
