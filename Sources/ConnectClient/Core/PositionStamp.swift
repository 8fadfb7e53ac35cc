import ConnectProtocol

/// The version of the positions that a client knows, to ask the next connection for what is newer.
///
/// The stamp of `welcome` counts only from `live` on: the rows up to it come between. Pure.
struct PositionStamp {
  /// To be said when connecting; nil to be told no rows then.
  private(set) var known: UInt64?
  private var welcomed: UInt64 = 0
  /// The highest of this connection: a table that was lost begins again, perhaps below.
  private var highest: UInt64?

  init(_ known: UInt64?) { self.known = known }

  mutating func connected(_ welcome: ServerFrame.Welcome) {
    self.welcomed = welcome.positions
    self.highest = nil
  }

  mutating func live() { self.learned(self.welcomed) }

  mutating func received(_ position: ServerFrame.Position) { self.learned(position.stamp) }

  private mutating func learned(_ stamp: UInt64) {
    let highest = max(self.highest ?? 0, stamp)
    self.highest = highest
    self.known = highest
  }
}
