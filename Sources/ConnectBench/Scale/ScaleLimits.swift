/// Every limit and default of a comparison of sizes, each with its unit.
enum ScaleLimits {
  static let shards = 16
  static let defaultShards = RisingNumbers([1, 2, 3])
  static let defaultGateways = RisingNumbers([1, 2, 3, 4])
  static let defaultMailboxes = RisingNumbers([1_000, 1_000_000])
  static let window = 16
  /// Messages per second that fill mailboxes, for the estimate of the time left. A guess: the first fillings show
  /// more.
  static let filledPerSecond = 10_000
  /// To start and end one deployment, and to warm it up, for that estimate, in seconds.
  static let startSeconds = 15
}
