/// Text of others as a log or a terminal may show it: one line that cannot move the cursor, colour the
/// screen, or say what it does not.
package enum PrintableText {
  /// Escapes, as `\u{1b}`, what is not to be shown as it is, and cuts off what is behind `maximum`
  /// characters.
  package static func of(
    _ text: String, maximum: Int = RedisLimits.maximumShownCharacters
  ) -> String {
    var rest = text.unicodeScalars[...]
    guard rest.count > maximum || rest.contains(where: self.isHidden) else { return text }
    var result = ""
    for scalar in rest.prefix(maximum) {
      if self.isHidden(scalar) {
        result += "\\u{\(String(scalar.value, radix: 16))}"
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    rest = rest.dropFirst(maximum)
    return rest.isEmpty ? result : result + "…"
  }

  /// Whether a character is one that acts on what shows it: a control character of ASCII or of C1,
  /// the end of a line or paragraph, or one that turns the direction of writing.
  package static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x20...0x7e: false
    case 0x00...0x1f, 0x7f...0x9f: true
    case 0x061c, 0x200e, 0x200f, 0x2028...0x202e, 0x2066...0x2069, 0xfeff: true
    default: false
    }
  }
}
