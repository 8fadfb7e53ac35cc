import ConnectProtocol
import MessageBus

/// The look-ups of one batch: which mailbox is read next and how much of it, within one bound of bytes
/// and time for all.
///
/// They take turns, so that one mailbox of large entries leaves something for the others. What is not
/// found within the bound counts as not sent before.
struct RetryLookups {
  /// A part of the next read.
  struct Ask: Hashable {
    /// Index of its search.
    let search: Int
    let question: RetrySearch.Question
  }

  private(set) var searches: [RetrySearch]
  /// Searches that are not done, in turn.
  private var open: [Int]
  /// Bytes read so far.
  private(set) var bytes = 0
  /// Searches that ended before they were done.
  private(set) var cut = 0
  /// Size of the previous portion, to estimate the size of entries.
  private var last = (entries: 0, bytes: 0)

  private let milliseconds: Int64

  init(_ searches: [RetrySearch], milliseconds: Int64 = MessagingLimits.retryMilliseconds) {
    self.searches = searches
    self.milliseconds = milliseconds
    self.open = Array(searches.indices)
  }

  /// The next reads; none when all is done or the bound was reached.
  ///
  /// A portion is not known to fit before it is read: the last one may go beyond the bound.
  mutating func next(elapsedMilliseconds: Int64) -> [Ask] {
    self.open.removeAll { self.searches[$0].isDone }
    guard !self.open.isEmpty else { return [] }
    let bytesLeft = MessagingLimits.retryBytes - self.bytes
    let isLate = self.bytes > 0 && elapsedMilliseconds >= self.milliseconds
    guard bytesLeft > 0, !isLate else {
      self.cut = self.open.count
      return []
    }
    let total = min(
      MessagingLimits.retryPortionEntries,
      NewestEntries.fitting(
        min(MessagingLimits.retryPortionBytes, bytesLeft), entries: self.last.entries,
        bytes: self.last.bytes))
    let share = max(
      min(MessagingLimits.retryEntriesPerMailbox, total), total / self.open.count)
    var asks: [Ask] = []
    var count = 0
    for index in self.open {
      guard count < total else { break }
      let question = self.searches[index].question(atMost: min(share, total - count))
      asks.append(Ask(search: index, question: question))
      count += question.count
    }
    self.open = Array(self.open[asks.count...] + self.open[..<asks.count])
    return asks
  }

  mutating func read(_ answers: [[Mailbox.Entry]], to asks: [Ask]) {
    var entries = 0
    var bytes = 0
    for (answer, ask) in zip(answers, asks) {
      self.searches[ask.search].read(answer, to: ask.question)
      entries += answer.count
      bytes += answer.byteCount
    }
    self.bytes += bytes
    if bytes > 0 { self.last = (entries, bytes) }
  }
}
