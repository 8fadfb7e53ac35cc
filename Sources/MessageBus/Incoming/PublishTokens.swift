/// What a caller of an ``IncomingProducer`` must know of each entry when its result comes, by the number that the
/// producer gives back.
///
/// Generic code is not specialized in other modules unless it can be inlined there, and this is called for each
/// message; so the producer knows numbers only, and this is inlined.
///
/// On the producer's event loop only.
@usableFromInline
package final class PublishTokens<Token> {
  @usableFromInline var tokens: [Token?] = []
  /// Places in `tokens` that are not in use.
  @usableFromInline var free: [Int] = []
  @usableFromInline let kept = BusLimits.publishTokensKept

  package init() {}

  /// - Returns: the number of the token, until it is taken.
  @inlinable
  package func add(_ token: Token) -> Int {
    guard let number = self.free.popLast() else {
      self.tokens.append(token)
      return self.tokens.count - 1
    }
    self.tokens[number] = token
    return number
  }

  /// Removes and returns a token.
  @inlinable
  package func take(_ number: Int) -> Token {
    guard let token = self.tokens[number].take() else {
      preconditionFailure("an entry has two results")
    }
    self.free.append(number)
    // Memory for many is not kept for ever.
    if self.free.count == self.tokens.count, self.free.count > self.kept {
      self.tokens = []
      self.free = []
    }
    return token
  }
}
