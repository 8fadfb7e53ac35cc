import NIOCore

/// Writes JSON text into memory that was reserved for it: the reservation is made once a frame,
/// instead of once a field.
struct JSONWriter {
  private let memory: UnsafeMutableRawBufferPointer

  /// How many bytes have been written.
  private(set) var count = 0

  init(_ memory: UnsafeMutableRawBufferPointer) {
    self.memory = memory
  }

  /// The most bytes that `string(_:)` writes for `text`: every byte may become a `\u` escape.
  static func maximumLength(of text: String) -> Int {
    2 + 6 * text.utf8.count
  }

  /// The most bytes of a number with its sign.
  static let maximumNumberLength = DecimalText.maximumDigits + 1

  /// A piece of JSON text as it stands.
  @inline(__always)
  mutating func literal(_ text: StaticString) {
    let start = reserve(text.utf8CodeUnitCount)
    start.copyMemory(from: text.utf8Start, byteCount: text.utf8CodeUnitCount)
  }

  /// Bytes that are JSON text, or a part of a string in which nothing needs escaping.
  @inline(__always)
  mutating func raw(_ bytes: UnsafeRawBufferPointer) {
    guard let source = bytes.baseAddress else { return }
    reserve(bytes.count).copyMemory(from: source, byteCount: bytes.count)
  }

  /// A part of a string, known to be ASCII that needs no escaping: a name or an id.
  mutating func plain(_ text: String) {
    var text = text
    text.withUTF8 { raw(UnsafeRawBufferPointer($0)) }
  }

  /// A part of a string; the quotes are the caller's.
  @inline(__always)
  mutating func offset(_ offset: Offset) {
    count += offset.write(to: UnsafeMutableRawBufferPointer(rebasing: memory[count...]))
  }

  /// A member behind others, if there is an offset.
  mutating func optionalOffset(_ name: StaticString, _ offset: Offset?) {
    guard let offset else { return }
    literal(",\"")
    literal(name)
    literal("\":\"")
    self.offset(offset)
    literal("\"")
  }

  /// The member `id` behind others, if there is one.
  mutating func optionalID(_ id: MessageID?) {
    guard let id else { return }
    literal(",\"id\":\"")
    plain(id.text)
    literal("\"")
  }

  mutating func number(_ value: UInt64) {
    let digits = DecimalText.digitCount(value)
    DecimalText.write(value, digits: digits, to: reserve(digits))
  }

  mutating func number(_ value: Int) {
    if value < 0 { literal("-") }
    number(UInt64(value.magnitude))
  }

  mutating func bool(_ value: Bool) {
    if value { literal("true") } else { literal("false") }
  }

  /// A whole string with its quotes, escaped where JSON demands it and nowhere else.
  mutating func string(_ text: String) {
    literal("\"")
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""): literal("\\\"")
      case UInt8(ascii: "\\"): literal("\\\\")
      case 0x08: literal("\\b")
      case 0x09: literal("\\t")
      case 0x0A: literal("\\n")
      case 0x0C: literal("\\f")
      case 0x0D: literal("\\r")
      case 0x00...0x1F:
        literal(byte < 0x10 ? "\\u000" : "\\u001")
        self.byte(Self.hexadecimalDigit(byte & 0xF))
      default: self.byte(byte)
      }
    }
    literal("\"")
  }

  private mutating func byte(_ byte: UInt8) {
    reserve(1).storeBytes(of: byte, as: UInt8.self)
  }

  private static func hexadecimalDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
  }

  /// Takes the next `length` bytes. Traps where memory would be overrun, in release builds too.
  @inline(__always)
  private mutating func reserve(_ length: Int) -> UnsafeMutableRawPointer {
    precondition(length <= memory.count - count, "a frame is longer than was reserved for it")
    let start = memory.baseAddress! + count
    count += length
    return start
  }
}

extension ByteBuffer {
  /// Appends what `write` writes, for which `limit` bytes are reserved.
  ///
  /// - Returns: how many bytes were written.
  @inline(__always)
  mutating func writeJSON(atMost limit: Int, _ write: (inout JSONWriter) -> Void) -> Int {
    writeWithUnsafeMutableBytes(minimumWritableBytes: limit) { memory in
      var writer = JSONWriter(UnsafeMutableRawBufferPointer(rebasing: memory[..<limit]))
      write(&writer)
      return writer.count
    }
  }
}
