/// When the users of a load write.
enum SendingPace: Hashable, Sendable {
  /// So many messages per second, of all users together, whatever becomes of those before.
  case open(rate: Int)
  /// Each user keeps so many messages under way: when one has come to its recipient, it writes another.
  case closed(window: Int)
}
