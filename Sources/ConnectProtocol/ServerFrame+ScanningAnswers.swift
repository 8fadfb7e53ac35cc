extension ServerFrame.Fields {
  func asSignal() throws(FrameError) -> ServerFrame.Signal {
    ServerFrame.Signal(
      from: try FrameField("from", from).user(),
      name: try FrameField("name", name).messageID(), body: body?.range,
      at: try FrameField("at", at).number())
  }

  func asConversations() throws(FrameError) -> ServerFrame.Conversations {
    var conversations: [ServerFrame.Conversation] = []
    for token in try FrameField("items", items).elements() {
      conversations.append(try FrameField("items", token).fields().asConversation())
    }
    return ServerFrame.Conversations(
      id: try FrameField("id", id).optionalMessageID(), items: conversations,
      next: try FrameField("next", next).optionalConversationCursor())
  }

  private func asConversation() throws(FrameError) -> ServerFrame.Conversation {
    let last = FrameField("last", last)
    return ServerFrame.Conversation(
      peer: try FrameField("peer", peer).user(),
      last: last.optional == nil ? nil : try last.fields().asEntry(),
      unread: try FrameField("unread", unread).number(),
      unreadIsMore: try FrameField("unreadIsMore", unreadIsMore).flag(),
      delivered: try FrameField("delivered", delivered).optionalOffset(),
      read: try FrameField("read", read).optionalOffset(),
      mine: try FrameField("mine", mine).optionalOffset())
  }

  func asHistory() throws(FrameError) -> ServerFrame.History {
    var list: [ServerFrame.Entry] = []
    for token in try FrameField("entries", entries).elements() {
      if let entry = try FrameField("entries", token).fields().asEntry() { list.append(entry) }
    }
    return ServerFrame.History(
      id: try FrameField("id", id).optionalMessageID(), entries: list,
      next: try FrameField("next", next).optionalOffset(),
      trimmed: try FrameField("trimmed", trimmed).flag())
  }

  /// Nil for an entry of a type that a newer server knows.
  private func asEntry() throws(FrameError) -> ServerFrame.Entry? {
    switch try FrameField("type", type).string() {
    case "message": .message(try self.asMessage())
    case "sent": .sent(try self.asSent())
    case "failed": .failed(try self.asFailed())
    default: nil
    }
  }

  func asPresence() throws(FrameError) -> ServerFrame.Presence {
    var statuses: [UserName: ServerFrame.Presence.Status] = [:]
    for (user, token) in try FrameField("users", users).members() {
      statuses[user] = try FrameField("users", token).status()
    }
    return ServerFrame.Presence(
      id: try FrameField("id", id).optionalMessageID(), users: statuses)
  }
}

// MARK: - Fields with an inside

extension FrameField {
  /// The fields of an object.
  fileprivate func fields() throws(FrameError) -> ServerFrame.Fields {
    let token = try anything()
    guard token.kind == .object else { throw wrong(.malformed, "must be an object") }
    var fields = ServerFrame.Fields()
    do throws(JSONScanner.Failure) {
      var scanner = JSONScanner(token)
      try fields.scan(&scanner)
    } catch {
      throw FrameError(error, in: token.bytes)
    }
    return fields
  }

  /// The members of an object whose names are user names. Others are ignored.
  fileprivate func members() throws(FrameError) -> [(UserName, JSONToken)] {
    let token = try anything()
    guard token.kind == .object else { throw wrong(.malformed, "must be an object") }
    var members: [(UserName, JSONToken)] = []
    do throws(JSONScanner.Failure) {
      var scanner = JSONScanner(token)
      try scanner.beginObject()
      while let key = try scanner.nextKey() {
        let value = try scanner.value()
        if let user = key.withText(UserName.init(utf8:)) { members.append((user, value)) }
      }
    } catch {
      throw FrameError(error, in: token.bytes)
    }
    return members
  }

  /// Whether a user is online.
  fileprivate func status() throws(FrameError) -> ServerFrame.Presence.Status {
    let token = try anything()
    guard token.kind == .object else { throw wrong(.malformed, "must be an object") }
    var online: JSONToken?
    var lastSeen: JSONToken?
    do throws(JSONScanner.Failure) {
      var scanner = JSONScanner(token)
      try scanner.beginObject()
      while let key = try scanner.nextKey() {
        let value = try scanner.value()
        switch key {
        case "online": online = value
        case "lastSeen": lastSeen = value
        default: break
        }
      }
    } catch {
      throw FrameError(error, in: token.bytes)
    }
    let seen = FrameField("lastSeen", lastSeen)
    return ServerFrame.Presence.Status(
      online: try FrameField("online", online).bool(),
      lastSeen: seen.optional == nil ? nil : try seen.number())
  }
}
