/// The id of an entry in a Redis stream, `<milliseconds>-<sequence>`: a message's one identity,
/// everywhere.
///
/// Offsets of one mailbox only grow, and a client that has acked one has acked all below it. The
/// two numbers are 64 bits each, and unsigned, as in Redis.
public struct Offset: Hashable, Sendable {
  /// The time part, in milliseconds since 1970 by Redis's clock.
  public var milliseconds: UInt64

  /// Tells entries of one millisecond apart.
  public var sequence: UInt64

  /// The offset `milliseconds-sequence`.
  public init(milliseconds: UInt64, sequence: UInt64) {
    self.milliseconds = milliseconds
    self.sequence = sequence
  }

  /// Below every message: replay from here is replay of all that the mailbox retains.
  public static let zero = Offset(milliseconds: 0, sequence: 0)

  /// The longest text of an offset: twice the 20 digits of `UInt64.max`, and the hyphen.
  public static let maximumTextLength = 2 * DecimalText.maximumDigits + 1

  /// The smallest offset above this one; the largest of all answers itself.
  public var successor: Offset {
    if sequence < .max { return Offset(milliseconds: milliseconds, sequence: sequence + 1) }
    if milliseconds < .max { return Offset(milliseconds: milliseconds + 1, sequence: 0) }
    return self
  }
}

extension Offset: Comparable {
  /// Stream order: by time, then by sequence.
  public static func < (left: Offset, right: Offset) -> Bool {
    left.milliseconds == right.milliseconds
      ? left.sequence < right.sequence
      : left.milliseconds < right.milliseconds
  }
}

extension Offset: LosslessStringConvertible {
  /// Reads `ms-seq`, or `ms`, which means `ms-0`.
  ///
  /// Only digits, at most 20 in each part: no sign, no space, no overflow. Leading zeros are read
  /// but never printed.
  public init?(_ description: String) {
    var text = description
    guard let offset = text.withUTF8({ Offset(utf8: UnsafeRawBufferPointer($0)) }) else {
      return nil
    }
    self = offset
  }

  /// Reads the same texts as `init(_:)`, straight from bytes.
  public init?(utf8: UnsafeRawBufferPointer) {
    guard utf8.count <= Self.maximumTextLength else { return nil }
    guard let hyphen = utf8.firstIndex(of: UInt8(ascii: "-")) else {
      guard let milliseconds = DecimalText.parse(utf8) else { return nil }
      self.init(milliseconds: milliseconds, sequence: 0)
      return
    }
    guard
      let milliseconds = DecimalText.parse(UnsafeRawBufferPointer(rebasing: utf8[..<hyphen])),
      let sequence = DecimalText.parse(UnsafeRawBufferPointer(rebasing: utf8[(hyphen + 1)...]))
    else { return nil }
    self.init(milliseconds: milliseconds, sequence: sequence)
  }

  /// `ms-seq`, always with both parts.
  public var description: String {
    String(unsafeUninitializedCapacity: textLength) { write(to: UnsafeMutableRawBufferPointer($0)) }
  }

  /// The exact number of bytes that `write(to:)` writes.
  public var textLength: Int {
    DecimalText.digitCount(milliseconds) + 1 + DecimalText.digitCount(sequence)
  }

  /// Writes the text at the start of `raw`, which must have room for `textLength` bytes.
  ///
  /// - Returns: how many bytes were written, which is `textLength`.
  public func write(to raw: UnsafeMutableRawBufferPointer) -> Int {
    let first = DecimalText.digitCount(milliseconds)
    let second = DecimalText.digitCount(sequence)
    let count = first + 1 + second
    precondition(raw.count >= count, "no room for an offset")
    let start = raw.baseAddress!
    DecimalText.write(milliseconds, digits: first, to: start)
    start.storeBytes(of: UInt8(ascii: "-"), toByteOffset: first, as: UInt8.self)
    DecimalText.write(sequence, digits: second, to: start + first + 1)
    return count
  }
}

extension Offset: Encodable {
  /// Encodes the text, as it stands everywhere.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
