import Redis

/// Rows of words in aligned columns.
///
/// Pure.
struct TextTable {
  enum Alignment {
    case left
    case right
  }

  private let titles: [String]
  private let alignments: [Alignment]
  private var rows: [[String]] = []

  /// - Parameter columns: The titles, and the alignment of the words under them.
  init(_ columns: [(String, Alignment)]) {
    self.titles = columns.map(\.0)
    self.alignments = columns.map(\.1)
  }

  /// Adds a row, with a word for each column.
  mutating func add(_ words: String...) {
    precondition(words.count == self.titles.count)
    // What others wrote must not move the cursor, nor fill the screen.
    self.rows.append(words.map { PrintableText.of(ChatBody.visible($0)) })
  }

  /// The lines, each with its end.
  ///
  /// - Parameter width: where to cut lines that are longer; nil for nowhere.
  func text(width: Int? = nil) -> String {
    let all = [self.titles] + self.rows
    let widths = self.titles.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
    return all.map { words in
      var line = ""
      for (column, word) in words.enumerated() {
        let space = String(repeating: " ", count: widths[column] - word.count)
        if column > 0 { line += "  " }
        line += self.alignments[column] == .left ? word + space : space + word
      }
      while line.last == " " { line.removeLast() }
      if let width, line.count > width { line = line.prefix(max(width - 1, 0)) + "…" }
      return line + "\n"
    }.joined()
  }
}
