/// Unsigned 64-bit numbers as decimal digits, without going through a `String`.
enum DecimalText {
  /// The digits of `UInt64.max`.
  static let maximumDigits = 20

  /// How many digits `value` is printed with.
  static func digitCount(_ value: UInt64) -> Int {
    var rest = value
    var count = 1
    while rest >= 10_000 {
      rest /= 10_000
      count += 4
    }
    if rest >= 1_000 { return count + 3 }
    if rest >= 100 { return count + 2 }
    return rest >= 10 ? count + 1 : count
  }

  /// Writes `value` with exactly `digits` digits, which must be `digitCount(value)`.
  static func write(_ value: UInt64, digits: Int, to start: UnsafeMutableRawPointer) {
    var rest = value
    var index = digits
    while index > 0 {
      index -= 1
      let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: 10)
      start.storeBytes(
        of: UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: remainder), toByteOffset: index,
        as: UInt8.self)
      rest = quotient
    }
    assert(rest == 0)
  }

  /// The number that `bytes` spell: 1 to 20 digits and nothing else, or nil.
  static func parse(_ bytes: UnsafeRawBufferPointer) -> UInt64? {
    guard (1...maximumDigits).contains(bytes.count) else { return nil }
    var value: UInt64 = 0
    for byte in bytes {
      let digit = byte &- UInt8(ascii: "0")
      guard digit <= 9 else { return nil }
      let (product, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
      if overflow || carry { return nil }
      value = sum
    }
    return value
  }
}
