/// The time that a benchmark will still take, in words.
enum TimeLeft {
  /// - Parameters:
  ///   - seconds: below 0 it takes longer than it was to.
  ///   - isLimit: whether it may take less.
  static func text(seconds: Int, isLimit: Bool = false) -> String {
    guard seconds > 0 else { return "about to end" }
    guard !isLimit else { return "at most \(self.text(seconds: seconds))" }
    guard seconds >= 60 else { return "\(seconds) s left" }
    return "\(seconds / 60) min \(seconds % 60) s left"
  }
}
