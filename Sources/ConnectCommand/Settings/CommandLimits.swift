/// Limits of the program itself, beside those of the modules that it runs.
enum CommandLimits {
  /// The longest file with the secret of tokens, or with service tokens, in bytes.
  static let secretFileBytes = 65_536

  /// How many letters a word may differ in from the name that it is taken to be meant for.
  static let misspelledLetters = 3

  /// How many of its unit a time span may be.
  static let timeSpanNumber = 1_000_000
}
