import ConnectProtocol
import MessageBus

/// A look through a mailbox from the top or from an offset down, page by page, for one request: bounded, so
/// that a request costs the same whatever the mailbox holds.
///
/// Pure.
struct LogLook {
  /// The next entries, newest first.
  struct Page: Hashable {
    /// Only what lies below it; nil for the newest.
    var below: Offset?
    var maximum: Int
  }

  /// What is read of Redis for a request, all at the same moment.
  struct Read: Hashable {
    var page: Page?
    /// Whether the user's positions are read, too.
    var hasTable = false
  }

  /// What was read.
  struct Reply {
    var entries: [Mailbox.Entry] = []
    /// All of the mailbox up to here was removed.
    var removed = Offset.zero
    /// Nil if it was not asked for.
    var table: Positions.Table?
  }

  /// All from the start of the look down to here was looked at; nil if that is nothing, from the top.
  private(set) var below: Offset?
  private var entries = 0
  private var bytes = 0
  private var pageEntries = GatewayLimits.firstRequestPageEntries
  private var asked = 0
  private var looked = 0

  /// A look at what lies below `below`; nil for everything.
  init(below: Offset?) { self.below = below }

  /// The next page; nil if the bound is reached.
  mutating func next() -> Page? {
    let left = GatewayLimits.requestEntries - self.entries
    let leftBytes = GatewayLimits.requestBytes - self.bytes
    guard left > 0, leftBytes > 0 else { return nil }
    var maximum = min(self.pageEntries, left)
    if self.bytes > 0 {
      // As many as there is room for if they are as large as those before.
      let room = leftBytes * self.entries / self.bytes
      maximum = min(maximum, max(room, GatewayLimits.smallestPageEntries))
    }
    self.pageEntries = min(
      self.pageEntries * GatewayLimits.requestPageGrowth, GatewayLimits.requestPageEntries)
    self.asked = maximum
    self.looked = 0
    return Page(below: self.below, maximum: maximum)
  }

  /// Whether an entry of the page is one that was asked for.
  func isNext(_ entry: Mailbox.Entry) -> Bool {
    guard let below = self.below else { return true }
    return entry.offset < below
  }

  /// An entry of the page is looked at.
  mutating func look(at entry: Mailbox.Entry) {
    self.below = entry.offset
    self.looked += 1
    self.entries += 1
    self.bytes += entry.envelope?.bytes.count ?? 0
  }

  /// Whether the mailbox has nothing below the page, once all of it was looked at.
  var isAtBottom: Bool { self.looked < self.asked }
}
