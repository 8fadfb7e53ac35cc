import ConnectTestStand
import Testing

@testable import Gateway

/// RFC 7515 (JWS), RFC 7519 (JWT) and RFC 8725 (their best practice), rule by rule.
@Suite("A token")
struct TokenTests {
  private func expect(_ row: TokenCase) async {
    let authenticator = await Authenticator(secret: TestTokens.secret)
    do throws(Refusal) {
      let identity = try authenticator.identity(of: row.token, now: TokenCase.now)
      #expect(row.refusal == nil)
      #expect(identity.user.text == "eve")
    } catch {
      #expect(error == Refusal(.unauthorized, row.refusal ?? "none"))
    }
  }

  @Test("is refused for extensions that are not understood", arguments: TokenCase.critCases)
  func critical(_ row: TokenCase) async { await self.expect(row) }

  @Test("does not choose its algorithm", arguments: TokenCase.algorithmCases)
  func algorithm(_ row: TokenCase) async { await self.expect(row) }

  @Test("has a header that is read in one way", arguments: TokenCase.headerCases)
  func header(_ row: TokenCase) async { await self.expect(row) }

  @Test("has three parts that are written in one way", arguments: TokenCase.formCases)
  func form(_ row: TokenCase) async { await self.expect(row) }

  @Test("has claims that are read in one way", arguments: TokenCase.setCases)
  func claims(_ row: TokenCase) async { await self.expect(row) }

  @Test("says when it is valid", arguments: TokenCase.timeCases)
  func times(_ row: TokenCase) async { await self.expect(row) }

  @Test("names its owner, and may say more", arguments: TokenCase.otherCases)
  func others(_ row: TokenCase) async { await self.expect(row) }

  @Test(
    "with a wrong signature is told nothing of its claims",
    arguments: TokenCase.setCases + TokenCase.timeCases + TokenCase.otherCases)
  func guessed(_ row: TokenCase) async {
    let authenticator = await Authenticator(secret: TestTokens.secret)
    let parts = row.token.split(separator: ".")
    let refusal = Refusal(
      .unauthorized, "the token's signature is not one of this gateway's secret")
    #expect(throws: refusal) {
      try authenticator.identity(
        of: "\(parts.count == 3 ? "\(parts[0]).\(parts[1])" : "\(parts[0]).").AAAA",
        now: TokenCase.now)
    }
  }

  @Test("that is made here is taken until it ends")
  func made() async throws {
    let authenticator = await Authenticator(secret: TestTokens.secret)
    let began = TestTokens.now
    let token = try await authenticator.token(for: .init("eve")!, seconds: 60)
    let identity = try authenticator.identity(of: token)
    #expect(identity.user.text == "eve")
    #expect(identity.expires >= began + 60)
    #expect(throws: Refusal(.unauthorized, "the token has expired")) {
      try authenticator.identity(of: token, now: identity.expires)
    }
  }
}
