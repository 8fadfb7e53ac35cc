import ConnectProtocol
import Testing

@Suite("An offset")
struct OffsetTests {
  @Test(
    "survives printing and reading",
    arguments: [
      Offset.zero,
      Offset(milliseconds: 1, sequence: 9),
      Offset(milliseconds: 10, sequence: 99),
      Offset(milliseconds: 1_732_226_000_000, sequence: 12),
      Offset(milliseconds: 9_999, sequence: 10_000),
      Offset(milliseconds: .max, sequence: .max),
    ])
  func roundTrip(offset: Offset) throws {
    let text = "\(offset.milliseconds)-\(offset.sequence)"
    #expect(offset.description == text)
    #expect(offset.textLength == text.utf8.count)
    #expect(Offset(text) == offset)
    #expect(withBytes(text) { Offset(utf8: $0) } == offset)
  }

  @Test("knows its length at every power of ten")
  func textLength() {
    var power: UInt64 = 1
    for digits in 1...20 {
      #expect(Offset(milliseconds: power, sequence: power).textLength == 2 * digits + 1)
      let below = Offset(milliseconds: power - 1, sequence: power - 1)
      #expect(below.textLength == below.description.utf8.count)
      power = power.multipliedReportingOverflow(by: 10).partialValue
    }
    #expect(Offset(milliseconds: .max, sequence: .max).textLength == Offset.maximumTextLength)
    #expect(Offset.maximumTextLength == 41)
  }

  @Test("writes no further than its text")
  func write() {
    var bytes = [UInt8](repeating: UInt8(ascii: "x"), count: 10)
    let count = bytes.withUnsafeMutableBytes {
      Offset(milliseconds: 123, sequence: 45).write(to: $0)
    }
    #expect(count == 6)
    #expect(String(decoding: bytes, as: UTF8.self) == "123-45xxxx")
  }

  @Test("may leave out a sequence of 0")
  func millisecondsOnly() {
    #expect(Offset("0") == .zero)
    #expect(Offset("1732226000000") == Offset(milliseconds: 1_732_226_000_000, sequence: 0))
    #expect(Offset.zero.description == "0-0")
  }

  @Test("may have leading zeros, to 20 digits a part")
  func leadingZeros() {
    #expect(Offset("007-01") == Offset(milliseconds: 7, sequence: 1))
    #expect(Offset(String(repeating: "0", count: 20)) == .zero)
    #expect(Offset(String(repeating: "0", count: 21)) == nil)
    #expect(Offset("1-" + String(repeating: "0", count: 21)) == nil)
  }

  @Test(
    "is digits and one hyphen only",
    arguments: [
      "", "-", "1-", "-1", "1--1", "1-2-3", "+1-2", "1-+2", "1 -2", " 1-2", "1-2 ", "1-a", "a",
      "0x1-2", "1.5-0", "١-٢", "1\u{2013}2", "1_000-0",
    ])
  func malformed(text: String) {
    #expect(Offset(text) == nil)
  }

  @Test("reaches the largest number and no further")
  func limits() {
    let largest = Offset(milliseconds: .max, sequence: .max)
    #expect(Offset("18446744073709551615-18446744073709551615") == largest)
    #expect(Offset("18446744073709551616-0") == nil)
    #expect(Offset("0-18446744073709551616") == nil)
    #expect(Offset("99999999999999999999-0") == nil)
    #expect(Offset("118446744073709551615-0") == nil)
  }

  @Test("compares by time, then by sequence")
  func order() {
    let sorted = [
      Offset.zero,
      Offset(milliseconds: 0, sequence: .max),
      Offset(milliseconds: 9, sequence: 10),
      Offset(milliseconds: 10, sequence: 9),
      Offset(milliseconds: 10, sequence: 10),
    ]
    #expect(sorted.shuffled().sorted() == sorted)
    #expect(!(sorted[1] < sorted[1]))
  }

  @Test("has a successor just above")
  func successor() {
    #expect(Offset("5-7")?.successor == Offset("5-8"))
    #expect(
      Offset(milliseconds: 5, sequence: .max).successor == Offset(milliseconds: 6, sequence: 0))
    let largest = Offset(milliseconds: .max, sequence: .max)
    #expect(largest.successor == largest)
  }
}
