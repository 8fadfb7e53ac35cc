extension ServerFrame {
  /// Reads the payload of one text message.
  ///
  /// As strict as `ClientFrame.scan`, and as safe; unknown fields are ignored, and an unknown type
  /// is `unknown` and not an error. Of duplicate keys the last counts.
  public static func scan(
    _ payload: UnsafeRawBufferPointer
  ) throws(FrameError) -> ServerFrame {
    var fields = Fields()
    do throws(JSONScanner.Failure) {
      var scanner = JSONScanner(payload, maximumDepth: JSONScanner.maximumDepth)
      try fields.scan(&scanner)
      try scanner.finish()
    } catch {
      throw FrameError(error, in: payload)
    }
    let type = try FrameField("type", fields.type).string()
    switch type {
    case "message": return .message(try fields.asMessage())
    case "accepted": return try fields.asAccepted()
    case "sent": return .sent(try fields.asSent())
    case "position": return .position(try fields.asPosition())
    case "failed": return .failed(try fields.asFailed())
    case "rejected": return .rejected(try fields.asRejected())
    case "welcome": return .welcome(try fields.asWelcome())
    case "live": return .live(try FrameField("offset", fields.offset).offset())
    case "signal": return .signal(try fields.asSignal())
    case "conversations": return .conversations(try fields.asConversations())
    case "history": return .history(try fields.asHistory())
    case "presence": return .presence(try fields.asPresence())
    case "pong": return .pong(id: try FrameField("id", fields.id).optionalString()?.text)
    case "goodbye": return try fields.asGoodbye()
    case "error": return try fields.asError()
    default:
      return .unknown(type: type.text, offset: try? FrameField("offset", fields.offset).offset())
    }
  }

  /// The fields of all types, as found: which type it is may come last.
  struct Fields {
    var type: JSONToken?
    var offset: JSONToken?
    var from: JSONToken?
    var to: JSONToken?
    var id: JSONToken?
    var at: JSONToken?
    var body: JSONToken?
    var quiet: JSONToken?
    var peer: JSONToken?
    var peerOffset: JSONToken?
    var delivered: JSONToken?
    var read: JSONToken?
    var mine: JSONToken?
    var floor: JSONToken?
    var stamp: JSONToken?
    var device: JSONToken?
    var code: JSONToken?
    var message: JSONToken?
    var retryable: JSONToken?
    var retryAfter: JSONToken?
    var reconnectAfter: JSONToken?
    var user: JSONToken?
    var connection: JSONToken?
    var gateway: JSONToken?
    var gap: JSONToken?
    var limits: JSONToken?
    var pingSeconds: JSONToken?
    var positions: JSONToken?
    var now: JSONToken?
    var retentionSeconds: JSONToken?
    var name: JSONToken?
    var items: JSONToken?
    var entries: JSONToken?
    var next: JSONToken?
    var trimmed: JSONToken?
    var users: JSONToken?
    var last: JSONToken?
    var unread: JSONToken?
    var unreadIsMore: JSONToken?

    mutating func scan(_ scanner: inout JSONScanner) throws(JSONScanner.Failure) {
      try scanner.beginObject()
      while let key = try scanner.nextKey() {
        let value = try scanner.value()
        switch key {
        case "type": type = value
        case "offset": offset = value
        case "from": from = value
        case "to": to = value
        case "id": id = value
        case "at": at = value
        case "body": body = value
        case "quiet": quiet = value
        case "peer": peer = value
        case "peerOffset": peerOffset = value
        case "delivered": delivered = value
        case "read": read = value
        case "mine": mine = value
        case "floor": floor = value
        case "stamp": stamp = value
        case "device": device = value
        case "code": code = value
        case "message": message = value
        case "retryable": retryable = value
        case "retryAfterMs": retryAfter = value
        case "reconnectAfterMs": reconnectAfter = value
        case "user": user = value
        case "connection": connection = value
        case "gateway": gateway = value
        case "gap": gap = value
        case "limits": limits = value
        case "pingSeconds": pingSeconds = value
        case "positions": positions = value
        case "now": now = value
        case "retentionSeconds": retentionSeconds = value
        case "name": name = value
        case "items": items = value
        case "entries": entries = value
        case "next": next = value
        case "trimmed": trimmed = value
        case "users": users = value
        case "last": last = value
        case "unread": unread = value
        case "unreadIsMore": unreadIsMore = value
        default: break
        }
      }
    }

    func asMessage() throws(FrameError) -> Message {
      Message(
        offset: try FrameField("offset", offset).offset(),
        from: try FrameField("from", from).user(),
        id: try FrameField("id", id).messageID(),
        at: try FrameField("at", at).number(),
        body: try FrameField("body", body).anything().range,
        quiet: try FrameField("quiet", quiet).flag())
    }

    func asSent() throws(FrameError) -> Sent {
      Sent(
        offset: try FrameField("offset", offset).offset(),
        peerOffset: try FrameField("peerOffset", peerOffset).offset(),
        to: try FrameField("to", to).user(),
        id: try FrameField("id", id).messageID(),
        at: try FrameField("at", at).number(),
        body: try FrameField("body", body).anything().range,
        quiet: try FrameField("quiet", quiet).flag())
    }

    func asPosition() throws(FrameError) -> Position {
      Position(
        peer: try FrameField("peer", peer).user(),
        delivered: try FrameField("delivered", delivered).optionalOffset(),
        read: try FrameField("read", read).optionalOffset(),
        mine: try FrameField("mine", mine).optionalOffset(),
        floor: try FrameField("floor", floor).optionalOffset(),
        stamp: try FrameField("stamp", stamp).number(),
        id: try FrameField("id", id).optionalMessageID())
    }

    func asAccepted() throws(FrameError) -> ServerFrame {
      .accepted(
        id: try FrameField("id", id).messageID(),
        offset: try FrameField("offset", offset).offset())
    }

    func asFailed() throws(FrameError) -> Failed {
      Failed(
        offset: try FrameField("offset", offset).offset(),
        to: try FrameField("to", to).user(),
        id: try FrameField("id", id).messageID(),
        code: try FrameField("code", code).string().text,
        message: try FrameField("message", message).string().text)
    }

    func asRejected() throws(FrameError) -> Rejected {
      Rejected(
        id: try FrameField("id", id).messageID(),
        code: try FrameField("code", code).string().text,
        message: try FrameField("message", message).string().text,
        retryable: try FrameField("retryable", retryable).bool(),
        retryAfterMilliseconds: try FrameField("retryAfterMs", retryAfter).optionalNumber())
    }

    func asGoodbye() throws(FrameError) -> ServerFrame {
      .goodbye(
        code: try FrameField("code", code).number(),
        reconnectAfterMilliseconds: try FrameField("reconnectAfterMs", reconnectAfter).number())
    }

    func asError() throws(FrameError) -> ServerFrame {
      .error(
        code: try FrameField("code", code).string().text,
        message: try FrameField("message", message).string().text)
    }

    func asWelcome() throws(FrameError) -> Welcome {
      Welcome(
        user: try FrameField("user", user).user(),
        device: try FrameField("device", device).device(),
        connection: try FrameField("connection", connection).string().text,
        gateway: try FrameField("gateway", gateway).string().text,
        offset: try FrameField("offset", offset).offset(),
        gap: try FrameField("gap", gap).bool(),
        limits: try FrameField("limits", limits).limits(),
        pingSeconds: try FrameField("pingSeconds", pingSeconds).number(),
        positions: try FrameField("positions", positions).number(),
        floor: try FrameField("floor", floor).optionalOffset(),
        now: try FrameField("now", now).number(),
        retentionSeconds: try FrameField("retentionSeconds", retentionSeconds).number())
    }
  }
}

// MARK: - Fields with an inside

extension FrameField {
  /// The limits of a welcome.
  fileprivate func limits() throws(FrameError) -> ServerFrame.Limits {
    let token = try anything()
    guard token.kind == .object else { throw wrong(.malformed, "must be an object") }
    var frameBytes: JSONToken?
    var unacked: JSONToken?
    var sendsPerSecond: JSONToken?
    var requestsPerSecond: JSONToken?
    var signalsPerSecond: JSONToken?
    do throws(JSONScanner.Failure) {
      var scanner = JSONScanner(token)
      try scanner.beginObject()
      while let key = try scanner.nextKey() {
        let value = try scanner.value()
        switch key {
        case "frameBytes": frameBytes = value
        case "unacked": unacked = value
        case "sendsPerSecond": sendsPerSecond = value
        case "requestsPerSecond": requestsPerSecond = value
        case "signalsPerSecond": signalsPerSecond = value
        default: break
        }
      }
    } catch {
      throw FrameError(error, in: token.bytes)
    }
    return ServerFrame.Limits(
      frameBytes: try FrameField("frameBytes", frameBytes).number(),
      unacked: try FrameField("unacked", unacked).number(),
      sendsPerSecond: try FrameField("sendsPerSecond", sendsPerSecond).number(),
      requestsPerSecond: try FrameField("requestsPerSecond", requestsPerSecond).number(),
      signalsPerSecond: try FrameField("signalsPerSecond", signalsPerSecond).number())
  }
}
