import Crypto

/// The tokens with which backends authenticate. Several are taken, so that one can be replaced
/// without a gap.
///
/// Only their hashes are kept.
package struct ServiceTokens: Sendable {
  /// Why a text holds no tokens, in words that complete "the service token …".
  package struct Malformed: Error, CustomStringConvertible {
    package let description: String
  }

  private let digests: [SHA256Digest]

  /// Reads one token per line; ignores empty lines, and spaces at the ends.
  package init(lines text: String) throws(Malformed) {
    var digests: [SHA256Digest] = []
    for line in text.split(whereSeparator: \.isNewline) {
      let token = line.drop(while: \.isWhitespace)
      let end = token.lastIndex { !$0.isWhitespace }
      guard let end else { continue }
      digests.append(try Self.digest(of: token[...end], number: digests.count + 1))
    }
    guard !digests.isEmpty else { throw Malformed(description: "is empty") }
    guard digests.count <= BackendAPILimits.tokens else {
      throw Malformed(
        description:
          "file has \(digests.count) tokens; at most \(BackendAPILimits.tokens) are taken")
    }
    self.digests = digests
  }

  private static func digest(
    of token: Substring, number: Int
  ) throws(Malformed) -> SHA256Digest {
    let bytes = Array(token.utf8)
    let (shortest, longest) = (BackendAPILimits.tokenBytes, BackendAPILimits.maximumTokenBytes)
    guard (shortest...longest).contains(bytes.count) else {
      throw Malformed(
        description: "number \(number) has \(bytes.count) characters; it needs "
          + "\(shortest) to \(longest)")
    }
    // What a header carries as it is.
    guard bytes.allSatisfy({ (0x21...0x7e).contains($0) }) else {
      throw Malformed(
        description: "number \(number) holds a space or a character beyond ASCII, which no header "
          + "carries")
    }
    return SHA256.hash(data: bytes)
  }

  /// Whether `token` is one of these, in a time that does not depend on how much of one it has
  /// right, nor on which one it is: what is compared are hashes, all bytes of all of them.
  func accepts(_ token: some Collection<UInt8>) -> Bool {
    let given = SHA256.hash(data: Array(token))
    var isAccepted: UInt8 = 0
    for digest in self.digests {
      var difference: UInt8 = 0
      for (left, right) in zip(digest, given) { difference |= left ^ right }
      // 1 where there is no difference, without a branch.
      isAccepted |= UInt8(truncatingIfNeeded: (UInt16(difference) &- 1) >> 8) & 1
    }
    return isAccepted == 1
  }
}
