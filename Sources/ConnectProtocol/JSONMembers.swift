/// The members of a JSON object whose names must differ: for what must not be read in two ways, such
/// as the parts of a token.
///
/// As strict as ``JSONScanner``, and copies what it reads: for what is rare and small.
package struct JSONMembers: Sendable {
  /// A member's value, as far as anybody needs it.
  package enum Value: Hashable, Sendable {
    case string(String)
    /// Infinite where the number is too large for a `Double`.
    case number(Double)
    case bool(Bool)
    /// Null, an array or an object.
    case other
  }

  /// Why there are no members to tell.
  package enum Fault: Error, Hashable {
    /// The text is not a JSON object.
    case noObject
    /// A name is there twice, however it is escaped.
    case duplicate
  }

  private let values: [String: Value]

  /// Reads an object with nothing around it but white space.
  package init(_ text: [UInt8]) throws(Fault) {
    self.values = try text.withUnsafeBytes { bytes in
      Result { () throws(Fault) in try Self.values(of: bytes) }
    }.get()
  }

  /// The value of a name, if it is there.
  package subscript(name: String) -> Value? { self.values[name] }

  private static func values(
    of bytes: UnsafeRawBufferPointer
  ) throws(Fault) -> [String: Value] {
    var scanner = JSONScanner(bytes)
    var values: [String: Value] = [:]
    var isUnique = true
    do throws(JSONScanner.Failure) {
      try scanner.beginObject()
      while let name = try scanner.nextKey() {
        let value = Value(try scanner.value())
        if values.updateValue(value, forKey: name.text) != nil { isUnique = false }
      }
      try scanner.finish()
    } catch {
      throw .noObject
    }
    guard isUnique else { throw .duplicate }
    return values
  }
}

extension JSONMembers.Value {
  fileprivate init(_ token: JSONToken) {
    switch token.kind {
    case .string: self = .string(token.text)
    case .number: self = .number(Double(String(decoding: token.bytes, as: UTF8.self)) ?? .infinity)
    case .true: self = .bool(true)
    case .false: self = .bool(false)
    case .null, .array, .object: self = .other
    }
  }
}
