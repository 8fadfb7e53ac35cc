import Foundation

/// Local times in a chat.
enum ChatTime {
  /// The time of day, with the date if it is another day than today.
  ///
  /// - Parameter milliseconds: since 1970; nil for now.
  static func text(milliseconds: UInt64? = nil) -> String {
    var now = Foundation.time(nil)
    var seconds = milliseconds.map { time_t($0 / 1_000) } ?? now
    var (parts, today) = (tm(), tm())
    localtime_r(&seconds, &parts)
    localtime_r(&now, &today)
    func digits(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let time = "\(digits(parts.tm_hour)):\(digits(parts.tm_min)):\(digits(parts.tm_sec))"
    if parts.tm_yday == today.tm_yday, parts.tm_year == today.tm_year { return time }
    return "\(1_900 + parts.tm_year)-\(digits(parts.tm_mon + 1))-\(digits(parts.tm_mday)) \(time)"
  }
}
