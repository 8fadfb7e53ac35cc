/// The two consumer groups of a reading session: where it reads on, and up to where everything is finished.
///
/// Redis could tell both of one group: it keeps each entry that was read and not acknowledged. But for that it
/// writes 200 bytes more of each to its file and to its replicas, and takes half as long again for the way of an
/// entry through the stream (5.4 instead of 3.6 µs with batches of 32, Redis 7.0.15, AOF). One reader that
/// finishes in order needs no such list: what is read and not finished lies between the two groups. So it reads
/// with `NOACK`, and moves the second group, many entries at once.
///
/// Where the second is ahead of the first, a replica has taken over that knew less of what was read: only what both
/// have passed is finished.
///
/// The same endings are in `Scripts/begin_session.lua`.
struct GroupNames: Hashable, Sendable {
  /// `family:instance:` and what tells this session from all others; empty before there is one.
  let session: String
  let reading: String
  let finished: String

  private static let readingEnding = ":reading"
  private static let finishedEnding = ":finished"

  init(session: String) {
    self.session = session
    self.reading = session + Self.readingEnding
    self.finished = session + Self.finishedEnding
  }

  /// The names of the session that has this group.
  init(of group: StreamGroup) {
    let endings = [Self.readingEnding, Self.finishedEnding]
    let ending = endings.first { group.name.hasSuffix($0) } ?? ""
    self.init(session: String(group.name.dropLast(ending.count)))
  }

  func contain(_ name: String) -> Bool { name == self.reading || name == self.finished }
}

extension StreamGroup {
  /// Whether it is the second group of a session of which `groups` has both.
  package func isMark(among groups: [StreamGroup]) -> Bool {
    let names = GroupNames(of: self)
    return self.name == names.finished && groups.contains { $0.name == names.reading }
  }

  /// The second group of the session that reads with this one; nil for groups of others, and of releases before 0.4.
  package func mark(among groups: [StreamGroup]) -> StreamGroup? {
    let names = GroupNames(of: self)
    return self.name == names.reading ? groups.first { $0.name == names.finished } : nil
  }
}
