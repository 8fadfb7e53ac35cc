/// Every limit and default of a storm, each with its unit.
enum StormLimits {
  /// Connections that are lost.
  static let connections = 5_000
  /// Connections that are not, of users who write meanwhile.
  static let talkers = 20
  /// Messages per second of all of these together.
  static let rate = 200
  /// How long these write before the storm, in seconds.
  static let seconds = 5
  /// How long they write before that, for what only first messages cost, in seconds.
  static let warmUpSeconds = 1
  /// Time for all to be back, in seconds: more than the longest waits of several failures in a row.
  static let patienceSeconds = 120
  /// How much longer than all of that they write at most, if nothing ends them, in seconds.
  static let marginSeconds = 60
}
