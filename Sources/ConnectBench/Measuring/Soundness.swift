import Settings

/// What became of a benchmark's messages: figures mean something only if all that was accepted arrived once and
/// in order.
struct Soundness: Codable, Hashable, Sendable {
  private(set) var accepted = 0
  private(set) var lost = 0
  /// With what nobody sent, which is one too many.
  private(set) var repeated = 0
  private(set) var reordered = 0

  init() {}

  init(_ totals: Ledger.Totals) { self.add(totals) }

  /// Adds the messages of another deployment, or of other users.
  mutating func add(_ totals: Ledger.Totals) {
    self.accepted += totals.accepted
    self.lost += totals.lost
    self.repeated += totals.repeated + totals.garbled
    self.reordered += totals.reordered
  }

  var isSound: Bool { self.lost == 0 && self.repeated == 0 && self.reordered == 0 }

  /// Ends the program with exit code 1 if the figures mean nothing.
  func require() throws(Failure) {
    guard self.isSound else {
      throw Failure(.running, "messages were lost, repeated or reordered: see above")
    }
    guard self.accepted > 0 else {
      throw Failure(.running, "no message was accepted, so there are no figures: see above")
    }
  }

  /// Its rows of a table.
  var rows: [[String]] {
    [
      ["lost", "\(self.lost)"], ["repeated", "\(self.repeated)"],
      ["reordered", "\(self.reordered)"],
    ]
  }

  /// The same as a line, for tables of figures; none if it is sound.
  var lines: [String] {
    self.isSound
      ? [] : ["lost \(self.lost), repeated \(self.repeated), reordered \(self.reordered)"]
  }
}
