/// Limits of the programs themselves, beside those of the modules that they run.
package enum CommandLimits {
  /// The longest file with the secret of tokens, or with service tokens, in bytes.
  package static let secretFileBytes = 65_536

  /// How many letters a word may differ in from the name that it is taken to be meant for.
  package static let misspelledLetters = 3

  /// How many of its unit a time span may be.
  package static let timeSpanNumber = 1_000_000
}
