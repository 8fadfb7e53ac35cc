import NIOHTTP1

/// What NIO's subscripts do, in a tenth of the time: they compare names of other lengths, too, and look for commas
/// character by character. For the requests with which connections are opened, which are read field by field.
extension HTTPHeaders {
  /// The values of a field, in their order.
  package func values(of name: String) -> [String] {
    var values: [String] = []
    for (field, value) in self where Self.isSame(field.utf8, name.utf8) { values.append(value) }
    return values
  }

  /// The elements of a field that is a list (RFC 9110, section 5.6.1), without white space around them.
  package func elements(of name: String) -> [Substring] {
    self.values(of: name).flatMap { value in
      value.utf8.split(separator: UInt8(ascii: ",")).map {
        Substring($0).withoutOptionalWhitespace
      }
    }
  }

  private static func isSame(_ name: String.UTF8View, _ other: String.UTF8View) -> Bool {
    name.count == other.count
      && zip(name, other).allSatisfy { $0 == $1 || Self.lowercased($0) == Self.lowercased($1) }
  }

  private static func lowercased(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
  }
}
