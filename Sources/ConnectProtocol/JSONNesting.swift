/// The containers that a scanner is in, innermost last: a bit each, set for an object.
///
/// So much stack and no more, whatever a client sends; recursion would need some 100 bytes a level.
struct JSONNesting {
  private var isObject = SIMD8<UInt64>.zero

  /// How many may be open; at most ``JSONScanner/maximumDepth``.
  private let maximumDepth: Int

  /// How many containers are open.
  private(set) var depth = 0

  /// Whether the innermost is an object.
  private(set) var isInObject = false

  /// The byte that closes the innermost.
  var closing: UInt8 { isInObject ? UInt8(ascii: "}") : UInt8(ascii: "]") }

  init(maximumDepth: Int) { self.maximumDepth = maximumDepth }

  /// Opens one more; false if that is one too many.
  mutating func open(isObject: Bool) -> Bool {
    guard depth < maximumDepth else { return false }
    let bit: UInt64 = 1 << UInt64(depth & 63)
    if isObject {
      self.isObject[depth >> 6] |= bit
    } else {
      self.isObject[depth >> 6] &= ~bit
    }
    depth += 1
    isInObject = isObject
    return true
  }

  /// Closes the innermost.
  mutating func close() {
    depth -= 1
    guard depth > 0 else { return }
    let outer = depth - 1
    isInObject = (isObject[outer >> 6] >> UInt64(outer & 63)) & 1 == 1
  }
}
