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
    var text = text
    guard text.withUTF8({ Self.isValid(UnsafeRawBufferPointer($0)) }) else { return nil }
    self.text = text
  }

  /// The same for bytes of UTF-8.
  init?(utf8: UnsafeRawBufferPointer) {
    guard Self.isValid(utf8) else { return nil }
    self.text = String(decoding: utf8, as: UTF8.self)
  }

  private static func isValid(_ utf8: UnsafeRawBufferPointer) -> Bool {
    guard (1...Self.maximumLength).contains(utf8.count) else { return false }
    for byte in utf8 {
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "-"):
        continue
      default: return false
      }
    }
    return true
  }

  package var description: String { self.text }
}
