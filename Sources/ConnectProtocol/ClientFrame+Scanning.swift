extension ClientFrame {
  /// Reads the payload of one text message, in one pass and without allocating but for the strings
  /// of the result.
  ///
  /// The whole payload is held to RFC 8259, body included, since others will receive it within
  /// frames of their own; surrogate escapes must pair, and nesting ends at 508 levels. Of
  /// duplicate keys the last counts. Never traps, whatever the bytes.
  ///
  /// - Throws: the most telling `FrameError`: broken UTF-8 before broken JSON before a wrong field.
  ///   It names the id of the frame if that can be read, other than of a `ping`, whatever else is wrong.
  public static func scan(
    _ payload: UnsafeRawBufferPointer
  ) throws(FrameError) -> ClientFrame {
    var fields = Fields()
    do throws(JSONScanner.Failure) {
      try fields.scan(payload)
    } catch {
      var error = FrameError(error, in: payload)
      // Where it is not UTF-8 the connection ends, and nothing is answered.
      if error.kind == .malformed { error.messageID = JSONSkimmer.requestID(in: payload) }
      throw error
    }
    do throws(FrameError) {
      return try fields.frame()
    } catch {
      throw FrameError(kind: error.kind, message: error.message, messageID: fields.answeredID())
    }
  }

  /// The fields of all types, as found: which type it is may come last.
  private struct Fields {
    var type: JSONToken?
    var id: JSONToken?
    var to: JSONToken?
    var body: JSONToken?
    var offset: JSONToken?
    var receipt: JSONToken?
    var copy: JSONToken?
    var quiet: JSONToken?
    var retry: JSONToken?
    var peer: JSONToken?
    var isPrivate: JSONToken?
    var limit: JSONToken?
    var before: JSONToken?
    var with: JSONToken?
    var name: JSONToken?
    var users: JSONToken?
    var watch: JSONToken?

    mutating func scan(_ payload: UnsafeRawBufferPointer) throws(JSONScanner.Failure) {
      var scanner = JSONScanner(payload)
      try scanner.beginObject()
      while let key = try scanner.nextKey() {
        let value = try scanner.value()
        switch key {
        case "type": type = value
        case "id": id = value
        case "to": to = value
        case "body": body = value
        case "offset": offset = value
        case "receipt": receipt = value
        case "copy": copy = value
        case "quiet": quiet = value
        case "retry": retry = value
        case "peer": peer = value
        case "private": isPrivate = value
        case "limit": limit = value
        case "before": before = value
        case "with": with = value
        case "name": name = value
        case "users": users = value
        case "watch": watch = value
        default: break
        }
      }
      try scanner.finish()
    }

    func frame() throws(FrameError) -> ClientFrame {
      let type = FrameField("type", self.type)
      switch try type.string() {
      case "send": return .send(try self.send())
      case "ack": return .ack(try FrameField("offset", offset).offset())
      case "read": return .read(try self.read(id: try self.requestID()))
      case "conversations": return .conversations(try self.conversations(id: try self.requestID()))
      case "history": return .history(try self.history(id: try self.requestID()))
      case "signal": return .signal(try self.signal(id: try self.requestID()))
      case "presence": return .presence(try self.presence(id: try self.requestID()))
      case "ping": return .ping(id: try self.pingID())
      default:
        throw type.wrong(
          .unknownType, "must be send, ack, read, ping, conversations, history, signal or presence")
      }
    }

    /// Cold: the id by which a frame that makes no sense is answered. That of a `ping` is any text, and
    /// might be the id of a message.
    @inline(never)
    func answeredID() -> MessageID? {
      if let type, type.kind == .string, case "ping" = type { return nil }
      return try? FrameField("id", id).messageID()
    }

    /// The id of one of the types that may have one, by which it is answered.
    func requestID() throws(FrameError) -> MessageID? {
      try FrameField("id", id).optionalMessageID(.invalidID)
    }

    func pingID() throws(FrameError) -> String? {
      let field = FrameField("id", id)
      guard let token = try field.optionalString() else { return nil }
      guard token.scannedLength <= maximumPingIDLength else {
        throw field.wrong(.invalidID, "must have at most \(maximumPingIDLength) bytes in a ping")
      }
      return token.text
    }

    func send() throws(FrameError) -> Send {
      Send(
        id: try FrameField("id", id).messageID(.invalidID),
        to: try FrameField("to", to).user(.invalidRecipient),
        body: try FrameField("body", body).anything().range,
        receipt: try FrameField("receipt", receipt).flag(),
        copy: try FrameField("copy", copy).flag(),
        quiet: try FrameField("quiet", quiet).flag(),
        retry: try FrameField("retry", retry).retry())
    }

    func read(id: MessageID?) throws(FrameError) -> Read {
      Read(
        peer: try FrameField("peer", peer).user(.invalidRecipient),
        offset: try FrameField("offset", offset).offset(),
        isPrivate: try FrameField("private", isPrivate).flag(), id: id)
    }

    func conversations(id: MessageID?) throws(FrameError) -> Conversations {
      Conversations(
        id: id,
        limit: try FrameField("limit", limit).limit(
          upTo: Conversations.maximumLimit, default: Conversations.defaultLimit),
        before: try FrameField("before", before).optionalConversationCursor())
    }

    func history(id: MessageID?) throws(FrameError) -> History {
      History(
        id: id, peer: try FrameField("with", with).optionalUser(.invalidRecipient),
        before: try FrameField("before", before).optionalOffset(),
        limit: try FrameField("limit", limit).limit(
          upTo: History.maximumLimit, default: History.defaultLimit))
    }

    func signal(id: MessageID?) throws(FrameError) -> Signal {
      let body = FrameField("body", body)
      if let token = body.token, token.bytes.count > Signal.maximumBodyBytes {
        throw body.wrong(
          .tooLarge, "must have at most \(Signal.maximumBodyBytes) bytes in a signal")
      }
      return Signal(
        to: try FrameField("to", to).user(.invalidRecipient),
        name: try FrameField("name", name).messageID(), body: body.token?.range, id: id)
    }

    func presence(id: MessageID?) throws(FrameError) -> Presence {
      Presence(
        id: id, users: try FrameField("users", users).users(atMost: Presence.maximumUsers),
        watch: try FrameField("watch", watch).flag())
    }
  }
}

extension FrameField {
  /// A boolean or a time, or `.no` if left out.
  fileprivate func retry() throws(FrameError) -> ClientFrame.Retry {
    guard let token = optional else { return .no }
    if let bool = token.bool { return bool ? .yes : .no }
    guard let time = token.unsigned else {
      throw wrong(.malformed, "must be true, false or a time in milliseconds since 1970")
    }
    return .firstSent(time)
  }

  /// A number from 1 to `maximum`, or `default` if left out.
  fileprivate func limit(upTo maximum: Int, default: Int) throws(FrameError) -> Int {
    guard let limit = try self.optionalNumber() else { return `default` }
    guard (1...maximum).contains(limit) else {
      throw self.wrong(.malformed, "must be from 1 to \(maximum)")
    }
    return limit
  }

  /// The end of an earlier answer, or nil if left out.
  func optionalConversationCursor() throws(FrameError) -> ConversationCursor? {
    guard let token = try self.optionalString() else { return nil }
    guard let cursor = ConversationCursor(token.text) else {
      throw self.wrong(.malformed, "must be what `next` of an earlier answer says")
    }
    return cursor
  }

  /// An array of user names; of duplicates the first counts.
  fileprivate func users(atMost maximum: Int) throws(FrameError) -> [UserName] {
    var users: [UserName] = []
    var known: Set<UserName> = []
    for token in try self.elements(atMost: maximum) {
      let user = try FrameField(self.name, token).user(.invalidRecipient)
      if known.insert(user).inserted { users.append(user) }
    }
    return users
  }
}
