/// Finds the members of an object that is not strict JSON, for as long as it can be told where they
/// begin and end: strings by their quotes, containers by their brackets. It checks nothing else.
///
/// For one purpose: that the sender of a message which makes no sense learns which one it was, and
/// does not send it again. A frame that is sound never gets here.
struct JSONSkimmer {
  private let bytes: UnsafeRawBufferPointer
  private var position = 0

  private init(_ payload: UnsafeRawBufferPointer) { bytes = payload }

  /// The id of a frame other than a `ping`, if both its type and its id can be read; of duplicates the last
  /// counts.
  static func requestID(in payload: UnsafeRawBufferPointer) -> MessageID? {
    var skimmer = JSONSkimmer(payload)
    var type: JSONToken?
    var id: JSONToken?
    guard skimmer.skip(UInt8(ascii: "{")) else { return nil }
    while let (key, value) = skimmer.nextMember() {
      guard let name = strictString(key) else { continue }
      switch name {
      case "type": type = strictString(value)
      case "id": id = strictString(value)
      default: break
      }
    }
    // Without a type it may be a `ping`.
    switch type {
    case nil, "ping"?: return nil
    default: return id?.withText(MessageID.init(utf8:))
    }
  }

  /// A string that is one by the scanner's rules; nil for anything else.
  private static func strictString(_ bytes: UnsafeRawBufferPointer) -> JSONToken? {
    var scanner = JSONScanner(bytes)
    guard let token = try? scanner.value(), token.kind == .string,
      token.scannedLength + 2 == bytes.count
    else { return nil }
    return token
  }

  /// Passes over one member and the comma before it; nil where none can be made out.
  private mutating func nextMember() -> (
    key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer
  )? {
    _ = skip(UInt8(ascii: ","))
    skipWhitespace()
    guard peek() == UInt8(ascii: "\""), let key = skimString(), skip(UInt8(ascii: ":")) else {
      return nil
    }
    skipWhitespace()
    guard let value = skimValue() else { return nil }
    return (key, value)
  }

  /// Passes over a value: up to the comma or bracket that ends it on this level.
  private mutating func skimValue() -> UnsafeRawBufferPointer? {
    let start = position
    var depth = 0
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "\""):
        guard skimString() != nil else { return nil }
        if depth == 0 { return part(from: start) }
        continue
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        if depth == 0 { return part(from: start) }
        depth -= 1
      case UInt8(ascii: ","):
        if depth == 0 { return part(from: start) }
      default:
        break
      }
      position += 1
    }
    return nil
  }

  /// Passes over the string that begins here; nil if it has no end.
  private mutating func skimString() -> UnsafeRawBufferPointer? {
    let start = position
    position += 1
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "\""):
        position += 1
        return part(from: start)
      case UInt8(ascii: "\\"):
        position += 2
      default:
        position += 1
      }
    }
    return nil
  }

  /// Passes over `byte` and the white space before it, if it is there.
  private mutating func skip(_ byte: UInt8) -> Bool {
    skipWhitespace()
    guard peek() == byte else { return false }
    position += 1
    return true
  }

  private mutating func skipWhitespace() {
    while [0x20, 0x0A, 0x0D, 0x09].contains(peek()) { position += 1 }
  }

  /// The byte here; at the end a zero, which JSON's structure does not have.
  private func peek() -> UInt8 { position < bytes.count ? bytes[position] : 0 }

  private func part(from start: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: bytes[start..<position])
  }
}
