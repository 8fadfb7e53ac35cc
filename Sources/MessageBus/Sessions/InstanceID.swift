/// One running instance of either service. A new start is a new instance, unless the operator names
/// it.
package struct InstanceID: Sendable, Hashable, CustomStringConvertible {
  /// In bytes.
  package static let maximumLength = 64
  /// Rule for an id, for error messages.
  package static let alphabet = "1 to 64 of A-Z a-z 0-9 . _ -"

  package let text: String

  /// Nil if `text` is not of ``alphabet``.
  package init?(_ text: String) {
    let isValid = text.utf8.allSatisfy { byte in
      switch UInt8(byte) {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "-"):
        true
      default: false
      }
    }
    guard isValid, (1...Self.maximumLength).contains(text.utf8.count) else { return nil }
    self.text = text
  }

  package var description: String { self.text }
}
