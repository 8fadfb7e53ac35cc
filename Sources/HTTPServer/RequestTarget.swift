/// What a request asks for.
package enum RequestTarget {
  /// Path and query. An absolute target (RFC 9112, section 3.2.2) counts as its path, whatever its host.
  package static func split(_ target: String) -> (path: Substring, query: Substring?) {
    let rest = Self.withoutAuthority(target)
    guard let mark = rest.utf8.firstIndex(of: UInt8(ascii: "?")) else { return (rest, nil) }
    return (rest[..<mark], rest[rest.utf8.index(after: mark)...])
  }

  private static func withoutAuthority(_ target: String) -> Substring {
    guard !target.hasPrefix("/") else { return target[...] }
    for scheme in ["http://", "https://"] where target.prefix(scheme.count).lowercased() == scheme {
      let rest = target.dropFirst(scheme.count).drop { $0 != "/" && $0 != "?" }
      // Without a path it is that of the root (RFC 9110, section 4.2.3).
      return rest.hasPrefix("/") ? rest : "/\(rest)"
    }
    return target[...]
  }

  /// The bytes that a text stands for. `+` is itself: it may be part of a name.
  ///
  /// - Returns: nil where two hexadecimal digits do not follow a percent sign.
  package static func percentDecoded(_ text: Substring) -> [UInt8]? {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard let high = rest.popFirst().flatMap(Self.hexadecimalValue),
        let low = rest.popFirst().flatMap(Self.hexadecimalValue)
      else { return nil }
      bytes.append(high << 4 | low)
    }
    return bytes
  }

  private static func hexadecimalValue(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
