import NIOCore

/// Commands that go out together, in order.
///
/// Each names the key that it touches, so that a client for a cluster can send it to that key's node;
/// no command ever touches keys of two slots. Commands are encoded as they are appended, into one
/// buffer, and are never looked at again.
public struct RedisBatch: Sendable {
  struct Command: Sendable {
    /// Where the command's bytes end in ``bytes``.
    let end: Int
    let slot: HashSlot?
  }

  private(set) var bytes = ByteBuffer()
  private(set) var commands: [Command] = []

  /// An empty batch.
  public init() {}

  /// The number of commands.
  public var count: Int { self.commands.count }

  /// Whether there is no command.
  public var isEmpty: Bool { self.commands.isEmpty }

  /// The bytes of all commands as they go to Redis.
  public var byteCount: Int { self.bytes.readableBytes }

  /// Appends a command.
  ///
  /// - Parameters:
  ///   - arguments: how many arguments `write` adds, the command's name included.
  ///   - key: the key that decides which node gets it; nil for commands without one (PING).
  ///   - bytes: room for the arguments' contents, at least; their framing is added to it.
  ///   - write: adds exactly `arguments` arguments.
  public mutating func append(
    arguments: Int, key: RedisKey?, bytes: Int, _ write: (inout CommandWriter) -> Void
  ) {
    let room =
      bytes + CommandWriter.bytesPerCommand + arguments * (CommandWriter.bytesPerArgument + 2)
    self.bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { raw in
      var writer = CommandWriter(raw, arguments: arguments)
      write(&writer)
      precondition(writer.argumentsLeft == 0, "fewer arguments than the command announced")
      return writer.count
    }
    self.commands.append(Command(end: self.bytes.writerIndex, slot: key?.slot))
  }

  /// Appends a command of few short words, where convenience matters more than speed.
  public mutating func append(key: RedisKey? = nil, _ words: String...) {
    self.append(key: key, words: words)
  }

  /// Appends a command of so many words as there are, where convenience matters more than speed.
  public mutating func append(key: RedisKey? = nil, words: [String]) {
    let bytes = words.reduce(0) { $0 + $1.utf8.count }
    self.append(arguments: words.count, key: key, bytes: bytes) { writer in
      for word in words { writer.bulk(word) }
    }
  }
}
