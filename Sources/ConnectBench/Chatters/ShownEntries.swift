import ConnectProtocol

/// Where a device was shown messages and copies, as an app keeps it across restarts.
///
/// One may stand in a mailbox under a second offset, as where a primary died that had not told its replica. A client
/// recognises what it has shown itself; what clients before it have shown, only the app.
struct ShownEntries {
  private struct Key: Hashable {
    let id: MessageID
    let isCopy: Bool
  }

  private var before: [Key: Offset] = [:]
  private var byClient: [Key: Offset] = [:]

  /// Another client continues.
  mutating func clientBegins() {
    self.before.merge(self.byClient) { $1 }
    self.byClient = [:]
  }

  /// Whether an app shows what a client gives: not if a client before has given it under another offset. Under the
  /// same one it must not come again.
  mutating func isNew(_ id: MessageID, isCopy: Bool, at offset: Offset) -> Bool {
    let key = Key(id: id, isCopy: isCopy)
    self.byClient[key] = offset
    return self.before[key].map { $0 == offset } ?? true
  }
}
