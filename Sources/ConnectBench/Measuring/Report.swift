import Foundation

protocol Report: Encodable {
  /// For people.
  func table() -> String
}

extension Report {
  /// For programs: one JSON object.
  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  func print(asJSON: Bool) throws { Swift.print(asJSON ? try self.json() : self.table()) }

  /// Lines with aligned columns.
  static func columns(_ rows: [[String]]) -> [String] {
    let count = rows.map(\.count).max() ?? 0
    let widths = (0..<count).map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      let padded = zip(row, widths).dropLast().map { cell, width in
        cell.padding(toLength: width, withPad: " ", startingAt: 0)
      }
      return (padded + row.suffix(1)).joined(separator: "  ")
    }
  }

  /// A number of things, such as `1 gateway` or `2 gateways`.
  static func count(_ number: Int, _ thing: String) -> String {
    "\(number) \(thing)\(number == 1 ? "" : "s")"
  }

  static func decimal(_ number: Double, _ places: Int = 1) -> String {
    String(format: "%.\(places)f", number)
  }
}
