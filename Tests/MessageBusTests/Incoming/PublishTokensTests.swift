import Testing

@testable import MessageBus

@Suite("Tokens of what is published")
struct PublishTokensTests {
  @Test("come back by their numbers, in any order, and numbers are used again")
  func numbers() {
    let tokens = PublishTokens<String>()
    let numbers = ["a", "b", "c"].map(tokens.add)
    #expect(Set(numbers).count == 3)
    #expect(tokens.take(numbers[1]) == "b")
    #expect(tokens.add("d") == numbers[1])
    #expect(tokens.take(numbers[0]) == "a")
    #expect(tokens.take(numbers[1]) == "d")
    #expect(tokens.take(numbers[2]) == "c")
    #expect(tokens.tokens.count == 3)
  }

  @Test("keep no token, and no room for many, once they are taken")
  func memory() {
    final class Token {}
    let tokens = PublishTokens<Token>()
    weak var first: Token?
    var numbers: [Int] = []
    for number in 0...BusLimits.publishTokensKept {
      let token = Token()
      if number == 0 { first = token }
      numbers.append(tokens.add(token))
    }
    #expect(first != nil)
    for number in numbers { _ = tokens.take(number) }
    #expect(first == nil)
    #expect(tokens.tokens.isEmpty && tokens.free.isEmpty)
    #expect(tokens.add(Token()) == 0)
  }
}
