/// How many entries of a mailbox the next page of a connection has at most: few, since most reads are
/// short, and more while there is more.
struct PageSize: Hashable {
  private(set) var entries = GatewayLimits.firstPageEntries

  /// A page was full.
  mutating func grow() { self.entries = min(self.entries * 2, GatewayLimits.maximumPageEntries) }

  /// A page could not be used whole, or could not be read: it may be more bytes than a reply may have.
  mutating func shrink() { self.entries = max(GatewayLimits.smallestPageEntries, self.entries / 2) }
}
