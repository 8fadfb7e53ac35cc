import Testing

@testable import ConnectBench

@Suite("Rising numbers")
struct RisingNumbersTests {
  private func numbers(_ text: String) -> [Int]? {
    RisingNumbers(text, in: 1...1_000_000)?.values
  }

  @Test("are those that are named")
  func named() {
    #expect(self.numbers("100") == [100])
    #expect(self.numbers("100,250,1000000") == [100, 250, 1_000_000])
    #expect(RisingNumbers([1, 2]).text == "1,2")
  }

  @Test("are refused if they do not rise, are out of range, too many, or not numbers")
  func refused() {
    for wrong in ["", "100,", "100,100", "200,100", "0,1", "1.5", "1,1000001"] {
      #expect(self.numbers(wrong) == nil, "\(wrong)")
    }
    let many = (1...RisingNumbers.most + 1).map(String.init)
    #expect(self.numbers(many.joined(separator: ",")) == nil)
    #expect(self.numbers(many.dropLast().joined(separator: ",")) != nil)
  }
}
