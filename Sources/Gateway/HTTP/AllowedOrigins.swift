import Foundation

/// Web origins from which browsers may connect.
package struct AllowedOrigins: Sendable, Hashable {
  package static let all = AllowedOrigins()

  /// Why an entry is refused: it would match no browser's `Origin`, or everybody's.
  package struct Invalid: Error, Hashable, CustomStringConvertible {
    package let description: String
  }

  /// Allows all hosts below one.
  private static let wildcard = "*."
  private static let form =
    "an origin is scheme://host or scheme://host:port, as browsers send it: https://app.example.com; "
    + "https://*.example.com is all hosts below example.com"

  private var exact: Set<WebOrigin> = []
  /// The origins with a wildcard, without its `*`: `https://` and `.example.com:8443`.
  private var below: [Below] = []

  private struct Below: Hashable {
    let scheme: String
    let domain: String
  }

  private init() {}

  /// Reads a comma-separated list. White space around an entry is ignored.
  package init(_ list: String) throws(Invalid) {
    let entries = list.split(separator: ",").map { String($0).trimmed() }.filter { !$0.isEmpty }
    guard !entries.isEmpty else {
      throw Invalid(description: "'\(list)' is not a list of origins: it names none; \(Self.form)")
    }
    for entry in entries { try self.insert(entry) }
  }

  /// Whether a page from there may connect. Several origins, as of a request that was redirected, all
  /// must be allowed; a request without one is not of a browser.
  func allow(_ origins: [WebOrigin]) -> Bool {
    if self == .all { return true }
    return origins.allSatisfy { origin in
      self.exact.contains(origin)
        || self.below.contains { origin.isBelow($0.domain, scheme: $0.scheme) }
    }
  }

  private mutating func insert(_ entry: String) throws(Invalid) {
    func invalid(_ reason: String) -> Invalid {
      Invalid(description: "'\(entry)' is not an origin: \(reason); \(Self.form)")
    }
    guard entry != "*" else {
      throw invalid("to allow all, leave the setting out")
    }
    guard entry.lowercased() != "null" else {
      throw invalid("every sandboxed page sends it, whoever made the page")
    }
    guard let mark = entry.firstRange(of: "://") else { throw invalid("it has no scheme") }
    let scheme = entry[..<mark.lowerBound]
    guard scheme.first?.isLetter == true, scheme.utf8.allSatisfy(Self.isOfScheme) else {
      throw invalid("its scheme is invalid")
    }
    guard !["ws", "wss"].contains(scheme.lowercased()) else {
      throw invalid("browsers send the page's scheme, http or https, not that of the WebSocket")
    }
    let authority = entry[mark.upperBound...]
    // What a WebView says of its files.
    if scheme.lowercased() == "file", authority.isEmpty {
      self.exact.insert(WebOrigin(entry))
      return
    }
    guard !authority.contains(where: { "/?#@\\".contains($0) }) else {
      throw invalid("it has more than scheme, host and port: no path, not even a slash at the end")
    }
    let isWildcard = authority.hasPrefix(Self.wildcard)
    if isWildcard {
      try Self.checkDomain(authority.dropFirst(Self.wildcard.count), invalid)
    } else {
      try Self.checkHost(authority, invalid)
    }
    guard isWildcard else {
      self.exact.insert(WebOrigin(entry))
      return
    }
    let origin = WebOrigin(scheme + "://" + authority.dropFirst(Self.wildcard.count)).text
    let start = origin.firstRange(of: "://")!.upperBound
    self.below.append(
      Below(scheme: String(origin[..<start]), domain: "." + String(origin[start...])))
  }

  /// The part after a wildcard: neither an address, nor so short that it covers nearly everybody.
  private static func checkDomain(
    _ authority: Substring, _ invalid: (String) -> Invalid
  ) throws(Invalid) {
    let host = try Self.checkHost(authority, invalid)
    guard !host.hasPrefix("["), !Self.isNumber(host.split(separator: ".").last ?? "") else {
      throw invalid("no host is below an address")
    }
    guard host.contains(".") || host.lowercased() == "localhost" else {
      throw invalid("all hosts below .\(host) are nearly everybody's")
    }
  }

  /// - Returns: The host without the port.
  @discardableResult
  private static func checkHost(
    _ authority: Substring, _ invalid: (String) -> Invalid
  ) throws(Invalid) -> Substring {
    var host = authority
    if let colon = authority.lastIndex(of: ":"), !authority.hasSuffix("]") {
      host = authority[..<colon]
      let port = authority[authority.index(after: colon)...]
      guard port.utf8.allSatisfy({ (0x30...0x39).contains($0) }), port.first != "0",
        let number = Int(port), (1...65_535).contains(number)
      else { throw invalid("its port is not 1 to 65535") }
    }
    guard !host.isEmpty else { throw invalid("it has no host") }
    guard !host.contains("*") else {
      throw invalid("a * stands only before a host, as *.")
    }
    guard host.utf8.allSatisfy({ $0 < 0x80 }) else {
      throw invalid("browsers send such a host in Punycode, as xn--…")
    }
    guard Self.isHost(host.lowercased()) else { throw invalid("its host is invalid") }
    return host
  }

  /// Whether a host is spelt as browsers do: an address in its one canonical form, else labels.
  private static func isHost(_ host: String) -> Bool {
    if host.hasPrefix("[") {
      return host.hasSuffix("]")
        && Self.canonical(String(host.dropFirst().dropLast()), AF_INET6)
          == host.dropFirst().dropLast()
    }
    let labels = host.split(separator: ".", omittingEmptySubsequences: false)
    if Self.isNumber(labels.last ?? "") { return Self.canonical(host, AF_INET) ?? "" == host }
    return labels.allSatisfy { label in
      !label.isEmpty && label.first != "-" && label.last != "-"
        && label.utf8.allSatisfy(Self.isOfHost)
    }
  }

  /// Whether browsers take a host with this last label for IPv4 (WHATWG URL, "ends in a number").
  private static func isNumber(_ label: Substring) -> Bool {
    !label.isEmpty && label.allSatisfy(\.isWholeNumber) || label.hasPrefix("0x")
  }

  /// The system's spelling of an address; nil if the text is not an address.
  private static func canonical(_ text: String, _ family: Int32) -> Substring? {
    var address = in6_addr()
    var written = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    guard inet_pton(family, text, &address) == 1,
      inet_ntop(family, &address, &written, socklen_t(written.count)) != nil
    else { return nil }
    return written.withUnsafeBufferPointer { Substring(String(cString: $0.baseAddress!)) }
  }

  private static func isOfScheme(_ byte: UInt8) -> Bool {
    self.isOfHost(byte) && byte != UInt8(ascii: "_") || byte == UInt8(ascii: "+")
      || byte == UInt8(ascii: ".")
  }

  private static func isOfHost(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
      true
    default: false
    }
  }
}

extension String {
  fileprivate func trimmed() -> String {
    guard let end = self.lastIndex(where: { !$0.isWhitespace }) else { return "" }
    return String(self[...end].drop { $0.isWhitespace })
  }
}
