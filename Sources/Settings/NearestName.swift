/// The name that a misspelled one was probably meant to be.
///
/// Pure.
package enum NearestName {
  /// The nearest of `names` to `text`; nil if none is near enough for its length.
  package static func of(_ text: String, among names: some Sequence<String>) -> String? {
    let given = Array(text.utf8.prefix(64))
    let most = min(CommandLimits.misspelledLetters, max(1, given.count / 2))
    let measured = names.map { (name: $0, edits: Self.edits(given, Array($0.utf8))) }
    return measured.filter { $0.edits <= most }.min { $0.edits < $1.edits }?.name
  }

  /// Letters to add, remove, replace or swap with their neighbour: the Damerau-Levenshtein distance
  /// (optimal string alignment).
  package static func edits(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...right.count)
    for (row, byte) in left.enumerated() {
      var next = [row + 1]
      for (column, other) in right.enumerated() {
        var edits = min(
          last[column] + (byte == other ? 0 : 1), last[column + 1] + 1, next[column] + 1)
        if row > 0, column > 0, byte == right[column - 1], left[row - 1] == other {
          edits = min(edits, beforeLast[column - 1] + 1)
        }
        next.append(edits)
      }
      (beforeLast, last) = (last, next)
    }
    return last[right.count]
  }
}
