import ConnectTestStand
import Testing

@testable import Gateway

@Suite("While a secret is replaced")
struct AuthenticatorTests {
  private let old = [UInt8]("the old secret of the tests, long enough for HS256".utf8)

  private func token(_ secret: [UInt8], seconds: Double = 60, algorithm: String = "HS256") -> String
  {
    TestTokens.make(
      payload: #"{"sub":"alice","exp":\#(TestTokens.now + seconds)}"#, algorithm: algorithm,
      secret: secret)
  }

  @Test("tokens of both secrets are taken, and those of the old one only as long as it is given")
  func both() async throws {
    let before = await Authenticator(secret: TestTokens.secret)
    let during = await Authenticator(secret: TestTokens.secret, previous: self.old)
    for secret in [TestTokens.secret, self.old] {
      #expect(try await during.identity(of: self.token(secret)).user.text == "alice")
    }
    await #expect(throws: Refusal(.unauthorized, "the token is not valid")) {
      try await before.identity(of: self.token(self.old))
    }
    await #expect(throws: Refusal(.unauthorized, "the token is not valid")) {
      try await during.identity(of: self.token([UInt8](repeating: 7, count: 40)))
    }
  }

  @Test("what the old one has signed is checked as strictly")
  func strict() async throws {
    let during = await Authenticator(secret: TestTokens.secret, previous: self.old)
    await #expect(throws: Refusal(.unauthorized, "the token has expired or is not yet valid")) {
      try await during.identity(of: self.token(self.old, seconds: -60))
    }
    await #expect(throws: Refusal(.unauthorized, "the token is not valid")) {
      try await during.identity(of: self.token(self.old, algorithm: "none"))
    }
  }
}
