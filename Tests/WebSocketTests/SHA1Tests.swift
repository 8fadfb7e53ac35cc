import Testing

@testable import WebSocket

@Suite("SHA-1")
struct SHA1Tests {
  private func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { byte in
      let digits = String(byte, radix: 16)
      return digits.count == 1 ? "0" + digits : digits
    }.joined()
  }

  @Test(
    "gives the digests of NIST's examples",
    arguments: [
      // FIPS 180-4's examples of one and two blocks, and those of 112 bytes and of none.
      ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "84983e441c3bd26ebaae4aa1f95129e5e54670f1"
      ),
      (
        """
        abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno\
        ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu
        """, "a49b2446a02c645bf419f995b67091253a04a259"
      ),
      ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
    ])
  func examples(text: String, digest: String) {
    #expect(self.hexadecimal(SHA1.digest(of: text.utf8)) == digest)
  }

  @Test("gives NIST's digest of a million letters")
  func million() {
    let digest = SHA1.digest(of: repeatElement(UInt8(ascii: "a"), count: 1_000_000))
    #expect(self.hexadecimal(digest) == "34aa973cd4c4daa4f61eeb2bdbad27316534016f")
  }

  /// The lengths about which padding changes its form: the length's 8 bytes just fit, do not fit, and
  /// begin a block of their own. The digests are those of GNU coreutils' sha1sum.
  @Test(
    "pads at the edges of a block",
    arguments: [
      (54, "31045e7bb077ff8d188a776b196b980388735dbb"),
      (55, "cef734ba81a024479e09eb5a75b6ddae62e6abf1"),
      (56, "901305367c259952f4e7af8323f480d59f81335b"),
      (57, "025ecbd5d70f8fb3c5457cd96bab13fda305dc59"),
      (63, "0ddc4e0cccd9a12850deb5abb0853a4425559fec"),
      (64, "bb2fa3ee7afb9f54c6dfb5d021f14b1ffe40c163"),
      (65, "78c741ddc482e4cdf8c474a0876347a0905b6233"),
      (119, "4300320394f7ee239bcdce7d3b8bcee173a0cd5c"),
      (120, "ceb2821639c4b6dcb10bce0e522ca2e608ce056d"),
      (128, "150fa3fbdc899bd0b8f95a9fb6027f564d953762"),
    ])
  func edges(count: Int, digest: String) {
    let message = repeatElement(UInt8(ascii: "x"), count: count)
    #expect(self.hexadecimal(SHA1.digest(of: message)) == digest)
  }
}
