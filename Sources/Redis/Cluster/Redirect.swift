/// A node's answer to a command that it did not execute and that must be sent again.
enum Redirect: Equatable {
  /// Another node has the slot. Nil address: the answering node knows no name for it.
  case moved(HashSlot, RedisAddress?)
  /// The slot is moving, and the key has moved: ask the other node, this time only.
  case ask(HashSlot, RedisAddress?)
  /// No node can execute it at the moment.
  case wait

  /// Nil for an error where no other attempt helps.
  ///
  /// - Parameter asked: the node that answers: `MOVED 1 :6379` names the same host.
  init?(_ error: RedisServerError, asked: RedisAddress) {
    switch error.code {
    case "MOVED", "ASK":
      let words = error.message.split(separator: " ")
      guard words.count >= 3, let number = Int(words[1]),
        (0..<HashSlot.count).contains(number), let colon = words[2].lastIndex(of: ":"),
        let port = Int(words[2][words[2].index(after: colon)...]), RedisAddress.ports.contains(port)
      else { return nil }
      let host = words[2][..<colon]
      guard host.isEmpty || RedisAddress.isHost(host) else { return nil }
      let address: RedisAddress? =
        host == "?"
        ? nil : RedisAddress(host: host.isEmpty ? asked.host : String(host), port: port)
      let slot = HashSlot(number: number)
      self = error.code == "MOVED" ? .moved(slot, address) : .ask(slot, address)
    case "TRYAGAIN", "CLUSTERDOWN", "LOADING", "READONLY", "MASTERDOWN":
      self = .wait
    default:
      return nil
    }
  }

  /// The outcome of a command, or of a transaction as a whole: a redirect, or nil if it was
  /// executed, refused for good, or never answered.
  static func of(
    _ unit: Range<Int>, _ replies: RedisReplies, asked: RedisAddress
  ) -> Redirect? {
    guard let last = unit.last, let error = replies.serverError(last) else { return nil }
    if let redirect = Redirect(error, asked: asked) { return redirect }
    // A command that was redirected while it was queued has aborted all of them.
    guard error.code == "EXECABORT" else { return nil }
    for index in unit.dropLast() {
      if let error = replies.serverError(index), let redirect = Redirect(error, asked: asked) {
        return redirect
      }
    }
    return nil
  }
}
