/// The name of a user: the `sub` of a token, and `to` and `from` in frames.
public struct UserName: Hashable, Sendable {
  private static let rule = NameRule(maximumLength: maximumLength, punctuation: "._-@+:")

  /// The shortest user name, in bytes.
  public static let minimumLength = NameRule.minimumLength

  /// The longest user name, in bytes.
  public static let maximumLength = 128

  /// The rule for a user name, for error messages.
  public static let alphabet = "1 to 128 of A-Z a-z 0-9 . _ - @ + :"

  /// The name as text: plain ASCII that needs no escaping in JSON.
  public let text: String

  /// The name that `bytes` spell, or nil if they are none; see `alphabet`.
  public init?(utf8 bytes: UnsafeRawBufferPointer) {
    guard let text = Self.rule.text(bytes) else { return nil }
    self.text = text
  }
}

/// Which of a user's devices: each has its own connection and its own cursor in the mailbox.
public struct DeviceName: Hashable, Sendable {
  private static let rule = NameRule(maximumLength: maximumLength, punctuation: "._-")

  /// The shortest device name, in bytes.
  public static let minimumLength = NameRule.minimumLength

  /// The longest device name, in bytes.
  public static let maximumLength = 64

  /// The rule for a device name, for error messages.
  public static let alphabet = "1 to 64 of A-Z a-z 0-9 . _ -"

  /// The device of a client that names none.
  public static let `default` = DeviceName("default")!

  /// The name as text: plain ASCII that needs no escaping in JSON.
  public let text: String

  /// The name that `bytes` spell, or nil if they are none; see `alphabet`.
  public init?(utf8 bytes: UnsafeRawBufferPointer) {
    guard let text = Self.rule.text(bytes) else { return nil }
    self.text = text
  }
}

/// A sender's id for a message: unique among that sender's messages, and the same when it is sent
/// again, so that a repeat is recognised.
public struct MessageID: Hashable, Sendable {
  private static let rule = NameRule(maximumLength: maximumLength, punctuation: "._:-")

  /// The shortest message id, in bytes.
  public static let minimumLength = NameRule.minimumLength

  /// The longest message id, in bytes.
  public static let maximumLength = 64

  /// The rule for a message id, for error messages.
  public static let alphabet = "1 to 64 of A-Z a-z 0-9 . _ : -"

  /// The id as text: plain ASCII that needs no escaping in JSON.
  public let text: String

  /// The id that `bytes` spell, or nil if they are none; see `alphabet`.
  public init?(utf8 bytes: UnsafeRawBufferPointer) {
    guard let text = Self.rule.text(bytes) else { return nil }
    self.text = text
  }
}

extension UserName: LosslessStringConvertible {
  /// The name `text`, or nil if it is none; see `alphabet`.
  public init?(_ text: String) {
    guard let text = Self.rule.text(text) else { return nil }
    self.text = text
  }

  /// The name itself.
  public var description: String { text }
}

extension DeviceName: LosslessStringConvertible {
  /// The name `text`, or nil if it is none; see `alphabet`.
  public init?(_ text: String) {
    guard let text = Self.rule.text(text) else { return nil }
    self.text = text
  }

  /// The name itself.
  public var description: String { text }
}

extension MessageID: LosslessStringConvertible {
  /// The id `text`, or nil if it is none; see `alphabet`.
  public init?(_ text: String) {
    guard let text = Self.rule.text(text) else { return nil }
    self.text = text
  }

  /// The id itself.
  public var description: String { text }
}
