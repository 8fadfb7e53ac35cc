import ConnectTestStand
import Testing

@testable import Gateway

@Suite("While a secret is replaced")
struct AuthenticatorTests {
  private let old = [UInt8]("the old secret of the tests, long enough for HS256".utf8)

  private let foreign = Refusal(
    .unauthorized, "the token's signature is not one of this gateway's secret")

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
      #expect(try during.identity(of: self.token(secret)).user.text == "alice")
    }
    #expect(throws: self.foreign) {
      try before.identity(of: self.token(self.old))
    }
    #expect(throws: self.foreign) {
      try during.identity(of: self.token([UInt8](repeating: 7, count: 40)))
    }
  }

  @Test("what the old one has signed is checked as strictly")
  func strict() async throws {
    let during = await Authenticator(secret: TestTokens.secret, previous: self.old)
    #expect(throws: Refusal(.unauthorized, "the token has expired")) {
      try during.identity(of: self.token(self.old, seconds: -60))
    }
    #expect(throws: Refusal(.unauthorized, "the token's alg must be HS256")) {
      try during.identity(of: self.token(self.old, algorithm: "none"))
    }
  }
}
