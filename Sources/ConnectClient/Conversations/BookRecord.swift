import ConnectProtocol

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A change of a ``ConversationBook``, as it is stored.
enum BookRecord: Hashable, Sendable {
  case entry(LogEntry)
  /// An own message that had failed is to be sent again: it stands in the place of the former.
  case again(LogEntry)
  /// An own message is gone.
  case removed(UserName, MessageID)
  case position(UserName, ConversationLog.Position)
  case listed(UserName, ConversationLog.Listed)
  /// The entries of a conversation are held from here on.
  case begins(UserName, Offset, isTrimmed: Bool)
  /// All up to here is in the book.
  case handled(Offset)
  /// The mailbox is held from here on only.
  case cut(Offset)
  case floor(Offset)
  case stamp(UInt64)
  case serverNow(UInt64)
  /// The server's list is read from its beginning: what it says from here on is newer than what it said before.
  case listBegun
  /// The server's list is in the book, as far as it was asked for.
  ///
  /// - Parameter next: where its next part begins, if there is one.
  case listRead(next: ConversationCursor?)
}

/// The stored form: JSON with a letter for each kind of record. It is nobody's interface: a store takes the bytes
/// as they are.
extension BookRecord: Codable {
  fileprivate enum Key: String, CodingKey {
    case kind = "k"
    case entry = "e"
    case peer = "p"
    case id, position, listed, offset, trimmed, number, next
  }

  fileprivate enum Kind: String, Codable {
    case entry = "e"
    case again = "a"
    case removed = "r"
    case position = "p"
    case listed = "l"
    case begins = "b"
    case handled = "h"
    case cut = "c"
    case floor = "f"
    case stamp = "s"
    case serverNow = "n"
    case listBegun = "B"
    case listRead = "L"
  }

  init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: Key.self)
    switch try values.decode(Kind.self, forKey: .kind) {
    case .entry: self = .entry(try values.decode(LogEntry.self, forKey: .entry))
    case .again: self = .again(try values.decode(LogEntry.self, forKey: .entry))
    case .removed: self = .removed(try values.text(.peer), try values.text(.id))
    case .position:
      self = .position(
        try values.text(.peer), try values.decode(ConversationLog.Position.self, forKey: .position))
    case .listed:
      self = .listed(
        try values.text(.peer), try values.decode(ConversationLog.Listed.self, forKey: .listed))
    case .begins:
      self = .begins(
        try values.text(.peer), try values.text(.offset),
        isTrimmed: try values.decode(Bool.self, forKey: .trimmed))
    case .handled: self = .handled(try values.text(.offset))
    case .cut: self = .cut(try values.text(.offset))
    case .floor: self = .floor(try values.text(.offset))
    case .stamp: self = .stamp(try values.decode(UInt64.self, forKey: .number))
    case .serverNow: self = .serverNow(try values.decode(UInt64.self, forKey: .number))
    case .listBegun: self = .listBegun
    case .listRead: self = .listRead(next: try values.textIfPresent(.next))
    }
  }

  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    switch self {
    case .entry(let entry):
      try values.encode(Kind.entry, forKey: .kind)
      try values.encode(entry, forKey: .entry)
    case .again(let entry):
      try values.encode(Kind.again, forKey: .kind)
      try values.encode(entry, forKey: .entry)
    case .removed(let peer, let id):
      try values.encode(Kind.removed, forKey: .kind)
      try values.encode(peer.text, forKey: .peer)
      try values.encode(id.text, forKey: .id)
    case .position(let peer, let position):
      try values.encode(Kind.position, forKey: .kind)
      try values.encode(peer.text, forKey: .peer)
      try values.encode(position, forKey: .position)
    case .listed(let peer, let listed):
      try values.encode(Kind.listed, forKey: .kind)
      try values.encode(peer.text, forKey: .peer)
      try values.encode(listed, forKey: .listed)
    case .begins(let peer, let offset, let isTrimmed):
      try values.encode(Kind.begins, forKey: .kind)
      try values.encode(peer.text, forKey: .peer)
      try values.encode("\(offset)", forKey: .offset)
      try values.encode(isTrimmed, forKey: .trimmed)
    case .handled(let offset): try values.encode(Kind.handled, offset)
    case .cut(let offset): try values.encode(Kind.cut, offset)
    case .floor(let offset): try values.encode(Kind.floor, offset)
    case .stamp(let stamp): try values.encode(Kind.stamp, stamp)
    case .serverNow(let now): try values.encode(Kind.serverNow, now)
    case .listBegun: try values.encode(Kind.listBegun, forKey: .kind)
    case .listRead(let next):
      try values.encode(Kind.listRead, forKey: .kind)
      try values.encodeIfPresent(next?.description, forKey: .next)
    }
  }

  /// One line of JSON.
  var bytes: [UInt8] {
    guard let data = try? JSONEncoder().encode(self) else {
      preconditionFailure("a record has nothing that JSON has not")
    }
    return Array(data)
  }

  init(bytes: [UInt8]) throws {
    self = try JSONDecoder().decode(BookRecord.self, from: Data(bytes))
  }
}

extension KeyedEncodingContainer where Key == BookRecord.Key {
  fileprivate mutating func encode(_ kind: BookRecord.Kind, _ offset: Offset) throws {
    try self.encode(kind, forKey: .kind)
    try self.encode("\(offset)", forKey: .offset)
  }

  fileprivate mutating func encode(_ kind: BookRecord.Kind, _ number: UInt64) throws {
    try self.encode(kind, forKey: .kind)
    try self.encode(number, forKey: .number)
  }
}

extension KeyedDecodingContainer {
  /// A name or an offset, which are stored as text.
  fileprivate func text<Value: LosslessStringConvertible>(_ key: Key) throws -> Value {
    guard let value = try self.textIfPresent(key) as Value? else {
      throw DecodingError.keyNotFound(
        key, .init(codingPath: self.codingPath, debugDescription: "it is missing"))
    }
    return value
  }

  fileprivate func textIfPresent<Value: LosslessStringConvertible>(_ key: Key) throws -> Value? {
    guard let text = try self.decodeIfPresent(String.self, forKey: key) else { return nil }
    guard let value = Value(text) else {
      throw DecodingError.dataCorruptedError(
        forKey: key, in: self, debugDescription: "'\(text)' is not a \(Value.self)")
    }
    return value
  }
}

extension ConversationLog.Position: Codable {
  private enum Key: String, CodingKey { case delivered, read, mine, owed, owedPrivately, answered }

  init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: Key.self)
    self.init(
      delivered: try values.textIfPresent(.delivered), read: try values.textIfPresent(.read),
      mine: try values.textIfPresent(.mine), owed: try values.textIfPresent(.owed),
      owedPrivately: try values.textIfPresent(.owedPrivately),
      answered: try values.textIfPresent(.answered))
  }

  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encodeIfPresent(self.delivered?.description, forKey: .delivered)
    try values.encodeIfPresent(self.read?.description, forKey: .read)
    try values.encodeIfPresent(self.mine?.description, forKey: .mine)
    try values.encodeIfPresent(self.owed?.description, forKey: .owed)
    try values.encodeIfPresent(self.owedPrivately?.description, forKey: .owedPrivately)
    try values.encodeIfPresent(self.answered?.description, forKey: .answered)
  }
}

extension ConversationLog.Listed: Codable {
  private enum Key: String, CodingKey { case last, unread, isMore, isStale }

  init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: Key.self)
    self.init(
      last: try values.decodeIfPresent(LogEntry.self, forKey: .last),
      unread: try values.decode(Int.self, forKey: .unread),
      isMore: try values.decode(Bool.self, forKey: .isMore),
      isStale: try values.decodeIfPresent(Bool.self, forKey: .isStale) ?? false)
  }

  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encodeIfPresent(self.last, forKey: .last)
    try values.encode(self.unread, forKey: .unread)
    try values.encode(self.isMore, forKey: .isMore)
    if self.isStale { try values.encode(true, forKey: .isStale) }
  }
}

extension LogEntry: Codable {
  private enum Key: String, CodingKey {
    case id, from, to, body, at, offset, place, quiet, number, taken, after, code, message
  }

  init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: Key.self)
    let body = try values.decode(String.self, forKey: .body)
    self.init(
      id: try values.text(.id), from: try values.text(.from), to: try values.text(.to),
      body: try MessageBody(json: body), at: try values.decode(UInt64.self, forKey: .at),
      offset: try values.textIfPresent(.offset), place: try values.textIfPresent(.place),
      isQuiet: try values.decodeIfPresent(Bool.self, forKey: .quiet) ?? false)
    self.number = try values.decodeIfPresent(UInt64.self, forKey: .number) ?? 0
    self.mayBeTaken = try values.decodeIfPresent(Bool.self, forKey: .taken) ?? false
    self.sentAfter = try values.decodeIfPresent(UInt64.self, forKey: .after)
    if let code = try values.decodeIfPresent(String.self, forKey: .code) {
      let message = try values.decodeIfPresent(String.self, forKey: .message)
      self.failure = .init(code: code, message: message ?? "")
    }
  }

  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(self.id.text, forKey: .id)
    try values.encode(self.from.text, forKey: .from)
    try values.encode(self.to.text, forKey: .to)
    try values.encode(self.body.json, forKey: .body)
    try values.encode(self.at, forKey: .at)
    try values.encodeIfPresent(self.offset?.description, forKey: .offset)
    try values.encodeIfPresent(self.place?.description, forKey: .place)
    if self.isQuiet { try values.encode(true, forKey: .quiet) }
    if self.number > 0 { try values.encode(self.number, forKey: .number) }
    if self.mayBeTaken { try values.encode(true, forKey: .taken) }
    try values.encodeIfPresent(self.sentAfter, forKey: .after)
    try values.encodeIfPresent(self.failure?.code, forKey: .code)
    try values.encodeIfPresent(self.failure?.message, forKey: .message)
  }
}
