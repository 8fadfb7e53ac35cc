/// One field of a frame: its name for error messages, and its value if the frame has it.
///
/// A field that may be left out may also be null, which is how many serialisers leave one out; a
/// field that may not be left out may not be null.
struct FrameField {
  let name: StaticString
  let token: JSONToken?

  init(_ name: StaticString, _ token: JSONToken?) {
    self.name = name
    self.token = token
  }

  /// The value, null being one.
  func anything() throws(FrameError) -> JSONToken {
    guard let token else {
      throw FrameError(kind: .malformed, message: "`\(name)` is missing")
    }
    return token
  }

  /// The value if there is one that is not null.
  var optional: JSONToken? {
    guard let token, token.kind != .null else { return nil }
    return token
  }

  /// A token that is a string.
  func string() throws(FrameError) -> JSONToken {
    let token = try anything()
    guard token.kind == .string else { throw wrong(.malformed, "must be a string") }
    return token
  }

  /// A boolean, or `false` if left out.
  func flag() throws(FrameError) -> Bool {
    guard let token = optional else { return false }
    guard let bool = token.bool else { throw wrong(.malformed, "must be true or false") }
    return bool
  }

  /// A boolean that must be there.
  func bool() throws(FrameError) -> Bool {
    guard let bool = try anything().bool else { throw wrong(.malformed, "must be true or false") }
    return bool
  }

  /// A whole number of at least 0 that must be there and fit.
  func number<Number: FixedWidthInteger>(
    _ type: Number.Type = Number.self
  ) throws(FrameError) -> Number {
    guard let value = try anything().unsigned, let number = Number(exactly: value) else {
      throw wrong(.malformed, "must be a whole number of at least 0")
    }
    return number
  }

  /// A whole number of at least 0 that fits, or nil if left out.
  func optionalNumber() throws(FrameError) -> Int? {
    optional == nil ? nil : try number()
  }

  /// An offset that must be there.
  func offset() throws(FrameError) -> Offset {
    guard let offset = try string().withText(Offset.init(utf8:)) else {
      throw wrong(.malformed, "must be an offset such as \"1700000000000-0\"")
    }
    return offset
  }

  /// A user that must be there; `kind` is the error if it is not a user name.
  func user(_ kind: FrameError.Kind = .malformed) throws(FrameError) -> UserName {
    guard let name = try string().withText(UserName.init(utf8:)) else {
      throw wrong(kind, "must be \(UserName.alphabet)")
    }
    return name
  }

  /// A device that must be there.
  func device() throws(FrameError) -> DeviceName {
    guard let name = try string().withText(DeviceName.init(utf8:)) else {
      throw wrong(.malformed, "must be \(DeviceName.alphabet)")
    }
    return name
  }

  /// A message id that must be there; `kind` is the error if it is none.
  func messageID(_ kind: FrameError.Kind = .malformed) throws(FrameError) -> MessageID {
    guard let id = try string().withText(MessageID.init(utf8:)) else {
      throw wrong(kind, "must be \(MessageID.alphabet)")
    }
    return id
  }

  /// An offset, or nil if left out.
  func optionalOffset() throws(FrameError) -> Offset? {
    optional == nil ? nil : try offset()
  }

  /// A message id, or nil if left out; `kind` is the error if it is none.
  func optionalMessageID(
    _ kind: FrameError.Kind = .malformed
  ) throws(FrameError) -> MessageID? {
    optional == nil ? nil : try messageID(kind)
  }

  /// A token that is a string, or nil if left out.
  func optionalString() throws(FrameError) -> JSONToken? {
    optional == nil ? nil : try string()
  }

  /// A user, or nil if left out; `kind` is the error if it is not a user name.
  func optionalUser(_ kind: FrameError.Kind = .malformed) throws(FrameError) -> UserName? {
    optional == nil ? nil : try user(kind)
  }

  /// The elements of an array that must be there.
  func elements(atMost maximum: Int = .max) throws(FrameError) -> [JSONToken] {
    let token = try anything()
    guard token.kind == .array else { throw wrong(.malformed, "must be an array") }
    var elements: [JSONToken] = []
    do throws(JSONScanner.Failure) {
      var scanner = JSONScanner(token)
      try scanner.beginArray()
      while let element = try scanner.nextElement() {
        elements.append(element)
        if elements.count > maximum { break }
      }
    } catch {
      throw FrameError(error, in: token.bytes)
    }
    guard elements.count <= maximum else {
      throw wrong(.malformed, "must have at most \(maximum) elements")
    }
    return elements
  }

  /// Cold: what is wrong with this field's value.
  @inline(never)
  func wrong(_ kind: FrameError.Kind, _ message: String) -> FrameError {
    FrameError(kind: kind, message: "`\(name)` at byte \(token?.start ?? 0) \(message)")
  }
}
