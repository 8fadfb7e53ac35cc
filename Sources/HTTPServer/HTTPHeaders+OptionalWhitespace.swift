import NIOHTTP1

extension HTTPHeaders {
  /// Takes the spaces and tabs off the ends of all values: they are not part of them (RFC 9110, section
  /// 5.5), and NIO's parser leaves those behind a value. Done where a request enters, so that nothing
  /// after it compares them.
  package mutating func stripOptionalWhitespace() {
    guard
      self.contains(where: {
        Self.isOptional($0.value.utf8.first) || Self.isOptional($0.value.utf8.last)
      })
    else { return }
    self = HTTPHeaders(self.map { ($0.name, String($0.value.withoutOptionalWhitespace)) })
  }

  private static func isOptional(_ byte: UInt8?) -> Bool {
    byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
  }
}

extension StringProtocol where SubSequence == Substring {
  /// The text without spaces and tabs at its ends.
  package var withoutOptionalWhitespace: Substring {
    guard let start = self.firstIndex(where: { $0 != " " && $0 != "\t" }),
      let last = self.lastIndex(where: { $0 != " " && $0 != "\t" })
    else { return "" }
    return self[start...last]
  }
}
