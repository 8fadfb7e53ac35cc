/// The time that a benchmark will still take, in words.
enum TimeLeft {
  /// - Parameter seconds: at least; below 0 it takes longer than it was to.
  static func text(seconds: Int) -> String {
    guard seconds > 0 else { return "about to end" }
    guard seconds >= 60 else { return "\(seconds) s left" }
    return "\(seconds / 60) min \(seconds % 60) s left"
  }
}
