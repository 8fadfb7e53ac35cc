import ConnectProtocol

/// Mailboxes of one message each, of users who are offline, beside which something is measured.
enum StoredMailboxes {
  /// Has more and more of them.
  ///
  /// - Parameters:
  ///   - counts: how many there are to be each time, rising.
  ///   - measure: called with each of these.
  static func fill<Result>(
    _ counts: [Int], _ store: MailboxStore, measure: (Int) async throws -> Result
  ) async throws -> [Result] {
    let prefix = MailboxStore.prefix("stored")
    var results: [Result] = []
    var stored = 0
    for count in counts {
      try await store.fill(count - stored) { [stored] in UserName("\(prefix)\(stored + $0)")! }
      stored = count
      results.append(try await measure(count))
    }
    return results
  }
}
