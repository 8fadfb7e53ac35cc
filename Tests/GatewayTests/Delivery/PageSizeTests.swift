import Testing

@testable import Gateway

@Suite("A page of a mailbox")
struct PageSizeTests {
  @Test("is small at first, doubles while pages are full, up to a bound, and halves, down to one")
  func growth() {
    var size = PageSize()
    var sizes = [size.entries]
    for _ in 0..<4 {
      size.grow()
      sizes.append(size.entries)
    }
    #expect(sizes == [16, 32, 64, 128, 128])
    for _ in 0..<7 { size.shrink() }
    #expect(size.entries == 2)
  }
}
