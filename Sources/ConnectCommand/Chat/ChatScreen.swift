import Foundation

/// The output to a terminal, so that lines come in above the one that is being typed, which stays
/// as it is; and so that a message's tick changes where it stands.
///
/// The terminal edits the line by itself (canonical mode). All that is used here, every terminal
/// since the VT102 has. Pure: it answers the text to write.
struct ChatScreen {
  static let prompt = "> "

  /// Number of rows upwards in which a tick may still change; more than terminals have.
  static let rememberedRows = 500

  /// State of the user's own message.
  enum Tick: String {
    case waiting = "… "
    case accepted = "✓ "
    case delivered = "✓✓"
    /// The same in another colour.
    case read = "\u{1B}[36m✓✓\u{1B}[39m"
    case failed = "✗ "
  }

  private let isTerminal: Bool
  /// Rows written so far, without the prompt's.
  private var rows = 0
  /// Where a message whose tick may change stands.
  private struct OwnRow {
    var row: Int
    var isDelivered = false
  }

  private var ownRows: [String: OwnRow] = [:]
  /// Where the status stands.
  private var statusRow: Int?

  init(isTerminal: Bool) { self.isTerminal = isTerminal }

  func start() -> String { self.isTerminal ? Self.prompt : "" }

  /// A line above the one that is being typed.
  mutating func line(_ text: String, columns: Int) -> String {
    guard self.isTerminal else { return text + "\n" }
    var output = ""
    for row in Self.wrap(text, columns: columns) {
      // Index and up again: there is a row below now, and the cursor is where it was. Then save the
      // cursor, insert a row, write into it, restore, and step down with the line that moved down.
      output += "\u{1B}D\u{1B}[A\u{1B}7\r\u{1B}[L\(row)\u{1B}8\u{1B}[B"
      self.rows += 1
    }
    return output
  }

  /// A line that was typed, in place of what the terminal echoed.
  ///
  /// - Parameter typed: the line as it was read, control characters and all.
  mutating func own(
    _ text: String, typed: String, id: String, columns: Int
  ) -> String {
    guard self.isTerminal else { return text + "\n" }
    let echoed = Self.echoedRows(typed, columns: columns)
    let lines = Self.wrap(text, columns: columns)
    let oldest = self.rows - Self.rememberedRows
    if self.ownRows.count > Self.rememberedRows {
      self.ownRows = self.ownRows.filter { $1.row > oldest }
    }
    self.ownRows[id] = OwnRow(row: self.rows)
    self.rows += lines.count
    return "\u{1B}[\(echoed)A\r\u{1B}[J" + lines.map { $0 + "\r\n" }.joined() + Self.prompt
  }

  /// Removes an empty line that was typed.
  func empty(typed: String, columns: Int) -> String {
    guard self.isTerminal else { return "" }
    return "\u{1B}[\(Self.echoedRows(typed, columns: columns))A\r\u{1B}[J" + Self.prompt
  }

  /// A tick changes.
  ///
  /// - Parameters:
  ///   - column: where in the line ticks are, from 0.
  ///   - line: what to say where nothing can be changed.
  mutating func tick(
    _ tick: Tick, id: String, column: Int, line: String?, columns: Int, rows: Int
  ) -> String {
    guard self.isTerminal else { return line.map { $0 + "\n" } ?? "" }
    // Nothing takes the second tick away again.
    guard let own = self.ownRows[id], tick != .accepted || !own.isDelivered else { return "" }
    if tick == .delivered { self.ownRows[id]?.isDelivered = true }
    if tick == .read || tick == .failed { self.ownRows[id] = nil }
    let up = self.rows - own.row
    // What has scrolled away cannot be reached.
    guard up < rows else { return line.map { self.line($0, columns: columns) } ?? "" }
    return "\u{1B}7\u{1B}[\(up)A\r\u{1B}[\(column)C\(tick.rawValue)\u{1B}8"
  }

  /// A line that comes and goes, above the one that is being typed.
  ///
  /// - Parameter text: nil to remove it.
  mutating func status(_ text: String?, columns: Int, rows: Int) -> String {
    // Of what comes and goes nothing is left in a file.
    guard self.isTerminal else { return "" }
    var output = ""
    if let row = self.statusRow {
      self.statusRow = nil
      let up = self.rows - row
      // What has scrolled away stays.
      if up < rows {
        // Delete the row, and step up with the line that moved up.
        output += "\u{1B}7\u{1B}[\(up)A\u{1B}[M\u{1B}8\u{1B}[A"
        self.rows -= 1
        for (id, own) in self.ownRows where own.row > row { self.ownRows[id]?.row -= 1 }
      }
    }
    if let text, let first = Self.wrap(text, columns: columns).first {
      self.statusRow = self.rows
      output += self.line(first, columns: columns)
    }
    return output
  }

  func end() -> String { self.isTerminal ? "\r\u{1B}[K" : "" }

  /// How many rows the prompt takes with what the terminal echoed behind it: a control character as
  /// `^C`, a tab up to the next stop.
  static func echoedRows(_ typed: String, columns: Int) -> Int {
    let columns = max(columns, 4)
    var rows = 1
    var column = 0
    func put(_ width: Int) {
      if column + width > columns {
        rows += 1
        column = 0
      }
      column += width
    }
    for character in Self.prompt + typed {
      guard let scalar = character.unicodeScalars.first else { continue }
      switch scalar {
      // A tab stops at the last column.
      case "\t": column = min(column + 8 - column % 8, columns - 1)
      case "\0"..."\u{1F}", "\u{7F}":
        put(1)
        put(1)
      default: put(Self.isWide(scalar) ? 2 : 1)
      }
    }
    return rows
  }

  /// Cuts a text into rows, counting wide characters twice.
  static func wrap(_ text: String, columns: Int) -> [String] {
    var rows = [""]
    var width = 0
    for character in text {
      let isWide = character.unicodeScalars.first.map(Self.isWide) ?? false
      let next = isWide ? 2 : 1
      // The last column is left free: writing into it leaves some terminals' cursors in doubt.
      if width + next >= max(columns, 4) {
        rows.append("")
        width = 0
      }
      rows[rows.count - 1].append(character)
      width += next
    }
    return rows
  }

  /// East Asian wide characters and emoji, by the great blocks of UAX #11.
  private static func isWide(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
      0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
      true
    default: scalar.properties.isEmojiPresentation
    }
  }
}
