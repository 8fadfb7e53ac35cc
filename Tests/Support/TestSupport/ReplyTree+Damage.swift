extension ReplyTree {
  /// How many values it has, itself among them.
  package var count: Int {
    guard case .array(let elements) = self else { return 1 }
    return elements.reduce(1) { $0 + $1.count }
  }

  private var depth: Int {
    guard case .array(let elements) = self else { return 0 }
    return 1 + (elements.map(\.depth).max() ?? 0)
  }

  /// The deepest reply that the reader takes, and so can be damaged.
  private static let maximumDepth = 6

  /// Changes some of its values, in structure or content.
  package mutating func damage(using random: inout some RandomNumberGenerator) {
    for _ in 0..<Int.random(in: 1...3, using: &random) {
      var place = Int.random(in: 0..<self.count, using: &random)
      self.damage(at: &place, using: &random)
    }
    if self.depth > Self.maximumDepth { self = .null }
  }

  private mutating func damage(
    at place: inout Int, using random: inout some RandomNumberGenerator
  ) {
    guard place > 0 else {
      place = -1
      return self = self.damaged(using: &random)
    }
    place -= 1
    guard case .array(var elements) = self else { return }
    for index in elements.indices where place >= 0 {
      elements[index].damage(at: &place, using: &random)
    }
    self = .array(elements)
  }

  private func damaged(using random: inout some RandomNumberGenerator) -> ReplyTree {
    if Int.random(in: 0..<4, using: &random) == 0 { return Self.other(using: &random) }
    switch self {
    case .array(var elements):
      switch Int.random(in: 0..<6, using: &random) {
      case 0: return .array([])
      case 1: elements.removeLast(min(elements.count, 1))
      case 2: elements.removeFirst(min(elements.count, 1))
      case 3: elements.append(Self.other(using: &random))
      case 4: elements += elements.prefix(40)
      default: return .array([self])
      }
      return .array(elements)
    case .bytes(var bytes):
      guard !bytes.isEmpty, Bool.random(using: &random) else {
        return .string(Self.texts.randomElement(using: &random)!)
      }
      switch Int.random(in: 0..<3, using: &random) {
      case 0: bytes.removeLast(Int.random(in: 1...bytes.count, using: &random))
      case 1: bytes += bytes.prefix(1_000)
      default:
        for _ in 0..<4 {
          let index = Int.random(in: bytes.indices, using: &random)
          bytes[index] = UInt8.random(in: .min ... .max, using: &random)
        }
      }
      return .bytes(bytes)
    case .integer, .null, .error:
      return .integer(Self.numbers.randomElement(using: &random)!)
    }
  }

  private static func other(using random: inout some RandomNumberGenerator) -> ReplyTree {
    switch Int.random(in: 0..<6, using: &random) {
    case 0: .null
    case 1: .array([])
    case 2: .array([.array([]), .null])
    case 3: .string(self.texts.randomElement(using: &random)!)
    case 4: .integer(self.numbers.randomElement(using: &random)!)
    default: .error(self.errors.randomElement(using: &random)!)
    }
  }

  private static let numbers = [
    0, -1, 1, 2, 255, 1 << 31, 1 << 48, .max, .max - 1, .min, .min + 1,
  ]

  /// Numbers, ids of streams, positions and names, at the ends of what there is and beyond.
  private static let texts = [
    "", " ", "0", "-1", "0-0", "0-1", "x", "-", "/", ":", "a/b", "begun", "replaced", "lapsed",
    "9223372036854775807", "9223372036854775807-0", "18446744073709551615",
    "18446744073709551615-18446744073709551615", "18446744073709551616-0",
    "18446744073709551615-18446744073709551615 18446744073709551615",
    "9223372036854775807-9223372036854775807 9223372036854775807", "1-1 -1", "1-1 x",
    "\u{1}\u{1}\u{0}\u{1}\u{1}\u{1}", "\u{1}\u{1}\u{8}\u{1}\u{1}\u{1}abc",
    "\u{1}\u{1}\u{8}\u{7f}\u{7f}\u{7f}", "\u{1}\u{1}\u{0}\u{0}\u{7f}", "message", "m", "pending",
    "name", "\u{1b}[2J\u{202e}\n",
  ]

  private static let errors = [
    "", "ERR", "ERR no such key", "NOGROUP no", "NOSCRIPT no", "OOM no", "UNBLOCKED no",
    "WRONGTYPE no", "LOADING no", "NOPERM no", "EXECABORT no",
    "EXECABORT " + String(repeating: "because of: EXECABORT ", count: 5_000),
    "ERR The ID specified in XADD is equal or smaller than the target stream top item",
  ]
}
