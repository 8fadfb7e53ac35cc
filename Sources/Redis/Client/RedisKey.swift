/// A key: a prefix, and a tag in braces that decides the cluster slot, as in `connect:mailbox:{bob}`.
///
/// In two parts, so that the same prefix serves for every user and no key is put together as a
/// String on the path of a message.
package struct RedisKey: Sendable, Hashable, CustomStringConvertible {
  /// Which of two Redis has a key, where keys are divided between two; see
  /// ``RedisClients/split(_:_:)``. Of no consequence where there is one.
  package enum Home: Sendable, Hashable {
    case first
    case second
  }

  private let prefix: String
  private let tag: String?
  package let home: Home

  /// `prefix{tag}`. The tag must not be empty or contain `}`.
  package init(prefix: String, tag: String, home: Home = .first) {
    self.prefix = prefix
    self.tag = tag
    self.home = home
  }

  /// A key by its whole name. Braces mark a tag, as Redis reads them.
  package init(_ name: String, home: Home = .first) {
    self.prefix = name
    self.tag = nil
    self.home = home
  }

  package var description: String { self.tag.map { "\(self.prefix){\($0)}" } ?? self.prefix }

  /// The key's length in bytes.
  package var byteCount: Int {
    self.prefix.utf8.count + (self.tag.map { $0.utf8.count + 2 } ?? 0)
  }

  package var slot: HashSlot {
    self.tag.map { HashSlot(hashing: $0) } ?? HashSlot(ofKey: self.prefix)
  }

  func write(to raw: UnsafeMutableRawBufferPointer) {
    let open = Self.copy(self.prefix, to: raw, at: 0)
    guard let tag = self.tag else { return }
    raw[open] = UInt8(ascii: "{")
    let close = Self.copy(tag, to: raw, at: open + 1)
    raw[close] = UInt8(ascii: "}")
  }

  /// Returns the position behind it.
  private static func copy(
    _ text: String, to raw: UnsafeMutableRawBufferPointer, at position: Int
  ) -> Int {
    var text = text
    return text.withUTF8 { utf8 in
      UnsafeMutableRawBufferPointer(rebasing: raw[position...]).copyMemory(
        from: UnsafeRawBufferPointer(utf8))
      return position + utf8.count
    }
  }
}
