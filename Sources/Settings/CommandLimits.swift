/// Limits of the programs themselves, beside those of the modules.
package enum CommandLimits {
  /// The longest file with the secret of tokens, or with service tokens, in bytes.
  package static let secretFileBytes = 65_536

  /// The most letters in which a misspelt word may differ from the name that is suggested for it.
  package static let misspelledLetters = 3

  /// The largest number in a time span, whatever its unit.
  package static let timeSpanNumber = 1_000_000
}
