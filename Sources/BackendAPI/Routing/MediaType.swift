import HTTPServer
import NIOHTTP1

/// The value of a `Content-Type` (RFC 9110, section 8.3.1): a type, and parameters whose values may
/// be quoted.
struct MediaType: Hashable {
  /// Type and subtype, in lower case.
  let name: String
  /// Values by names in lower case; of duplicates the first.
  let parameters: [String: String]

  /// Nil for text of another form.
  init?(_ field: String) {
    var rest = field.withoutOptionalWhitespace
    let name = rest.prefix { $0 != ";" }
    rest.removeFirst(name.count)
    let words = name.withoutOptionalWhitespace.split(
      separator: "/", omittingEmptySubsequences: false)
    guard words.count == 2, words.allSatisfy(Self.isToken) else { return nil }
    self.name = words.joined(separator: "/").lowercased()

    var parameters: [String: String] = [:]
    while !rest.isEmpty {
      guard rest.removeFirst() == ";" else { return nil }
      rest = rest.drop { $0 == " " || $0 == "\t" }
      let name = rest.prefix { $0 != "=" && $0 != ";" }
      rest.removeFirst(name.count)
      // A semicolon with nothing behind it is allowed.
      if name.isEmpty, rest.first != "=" { continue }
      guard Self.isToken(name), rest.popFirst() == "=", let value = Self.takeValue(from: &rest)
      else { return nil }
      rest = rest.drop { $0 == " " || $0 == "\t" }
      parameters[name.lowercased()] = parameters[name.lowercased()] ?? value
    }
    self.parameters = parameters
  }

  /// Takes a token or a quoted string.
  private static func takeValue(from rest: inout Substring) -> String? {
    guard rest.first == "\"" else {
      let token = rest.prefix { $0 != ";" && $0 != " " && $0 != "\t" }
      rest.removeFirst(token.count)
      return self.isToken(token) ? String(token) : nil
    }
    rest.removeFirst()
    var value = ""
    while let character = rest.popFirst() {
      switch character {
      case "\"": return value
      case "\\": if let escaped = rest.popFirst() { value.append(escaped) }
      default: value.append(character)
      }
    }
    return nil
  }

  /// RFC 9110, section 5.6.2.
  private static func isToken(_ text: Substring) -> Bool {
    !text.isEmpty
      && text.utf8.allSatisfy { byte in
        (0x21...0x7e).contains(byte) && !"\"(),/:;<=>?@[\\]{}".utf8.contains(byte)
      }
  }
}
