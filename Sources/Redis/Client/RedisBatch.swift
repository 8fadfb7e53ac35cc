import NIOCore

/// Commands that go out together, in order.
///
/// Each names the key that it touches, so that a client for a cluster can send it to that key's node;
/// no command ever touches keys of two slots. Commands are encoded as they are appended, into one
/// buffer, and are never looked at again.
package struct RedisBatch: Sendable {
  struct Command: Sendable {
    /// End of the command in ``bytes``.
    let end: Int
    /// Nil for a command that any node can execute.
    let slot: HashSlot?
    /// Nil for a command that either Redis can execute.
    let home: RedisKey.Home?
    /// Start of the key in ``bytes``, and its length; 0 for a command without one.
    let keyStart: Int
    let keyCount: Int
    /// Whether it may be executed twice, and the later reply taken: it changes nothing, or changes it to
    /// the same.
    let isRepeatable: Bool
    /// Whether the command continues the transaction of the one before it.
    var belongsToPrevious = false
  }

  /// A demand beyond execution: replicas must have the writes, too.
  package struct Confirmation: Sendable, Hashable {
    /// Replicas per node that is written.
    package let replicas: Int
    /// How long they may take, in milliseconds. Redis answers nothing else on that connection
    /// meanwhile.
    package let milliseconds: Int64

    /// At least one replica, for at least a millisecond.
    package init(replicas: Int, milliseconds: Int64) {
      precondition(replicas > 0 && milliseconds > 0)
      self.replicas = replicas
      self.milliseconds = milliseconds
    }
  }

  /// Room from the start: as many as one message takes, so that the usual batch is allocated once.
  private static let expectedCommands = 4

  private(set) var bytes = ByteBuffer()
  private(set) var commands: [Command] = []
  private var isInTransaction = false
  /// Home of the first command that has a key; nil if none has one.
  private(set) var home: RedisKey.Home?
  /// Whether some keys live in the other home.
  private(set) var isOfTwoHomes = false

  /// If set, each node that gets commands of this batch is asked behind them, with `WAIT`, how many
  /// replicas have what this connection wrote; ``RedisReplies/checkConfirmed(_:)`` tells.
  package var confirmation: Confirmation?

  /// Whether it waits in Redis for new data: then its duration says nothing about Redis.
  package var isBlocking = false

  /// The longest reply that a command may have, in bytes on the wire; see ``RedisLimits``.
  package var maximumReplyBytes = RedisLimits.maximumReplyBytes

  package init() {}

  package var count: Int { self.commands.count }

  package var isEmpty: Bool { self.commands.isEmpty }

  package var byteCount: Int { self.bytes.readableBytes }

  /// Appends a command.
  ///
  /// - Parameters:
  ///   - arguments: how many arguments `write` adds, the command's name included.
  ///   - key: the key that decides which node gets it; nil for commands without one (PING).
  ///   - bytes: room for the arguments' contents, at least; their framing is added to it.
  ///   - isRepeatable: whether it may be executed twice, and the later reply taken: it changes nothing,
  ///     or changes it to the same.
  ///   - write: adds exactly `arguments` arguments.
  @discardableResult
  package mutating func append(
    arguments: Int, key: RedisKey?, bytes: Int, isRepeatable: Bool = false,
    _ write: (inout CommandWriter) -> Void
  ) -> Reply<Void> {
    let room =
      bytes + CommandWriter.bytesPerCommand + arguments * (CommandWriter.bytesPerArgument + 2)
    let start = self.bytes.writerIndex
    var named = (start: 0, count: 0)
    self.bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { raw in
      var writer = CommandWriter(raw, arguments: arguments)
      write(&writer)
      precondition(writer.argumentsLeft == 0, "fewer arguments than the command announced")
      named = (start + writer.firstKey.start, writer.firstKey.count)
      return writer.count
    }
    return self.append(
      Command(
        end: self.bytes.writerIndex, slot: key?.slot, home: key?.home, keyStart: named.start,
        keyCount: named.count, isRepeatable: isRepeatable, belongsToPrevious: self.isInTransaction))
  }

  @discardableResult
  private mutating func append(_ command: Command) -> Reply<Void> {
    let reply = Reply<Void>(at: self.commands.count)
    if self.commands.isEmpty { self.commands.reserveCapacity(Self.expectedCommands) }
    self.commands.append(command)
    guard let home = command.home, home != self.home else { return reply }
    self.isOfTwoHomes = self.home != nil
    self.home = self.home ?? home
    return reply
  }

  /// Appends MULTI, what `body` appends, and EXEC: all of it is executed, or nothing. Two commands
  /// more than those of `body`, all of which answer alike.
  ///
  /// - Parameter key: one in the slot of all keys that `body` names.
  @discardableResult
  package mutating func transaction<Value>(
    on key: RedisKey, of read: @escaping Reply<Value>.Read, _ body: (inout RedisBatch) -> Void
  ) -> TransactionReply<Value> {
    precondition(!self.isInTransaction, "Redis has no transactions in transactions")
    let start = self.append(arguments: 1, key: key, bytes: 5) { $0.bulk("MULTI") }
    self.isInTransaction = true
    body(&self)
    let exec = self.append(arguments: 1, key: key, bytes: 4) { $0.bulk("EXEC") }
    self.isInTransaction = false
    return TransactionReply(at: start.index, commands: exec.index - start.index - 1, read)
  }

  /// Appends a command whose first argument is its key, without making a String of that.
  @discardableResult
  package mutating func append(
    _ name: StaticString, _ key: RedisKey, _ words: String..., isRepeatable: Bool = false
  ) -> Reply<Void> {
    self.append(name, key, words: words, isRepeatable: isRepeatable)
  }

  /// The same for a list of words.
  @discardableResult
  package mutating func append(
    _ name: StaticString, _ key: RedisKey, words: [String], isRepeatable: Bool = false
  ) -> Reply<Void> {
    let bytes = words.reduce(name.utf8CodeUnitCount + key.byteCount) { $0 + $1.utf8.count }
    return self.append(
      arguments: 2 + words.count, key: key, bytes: bytes, isRepeatable: isRepeatable
    ) { writer in
      writer.bulk(name)
      writer.bulk(key)
      for word in words { writer.bulk(word) }
    }
  }

  /// Appends a command of a few short words, where convenience matters more than speed.
  @discardableResult
  package mutating func append(
    key: RedisKey? = nil, _ words: String..., isRepeatable: Bool = false
  ) -> Reply<Void> {
    self.append(key: key, words: words, isRepeatable: isRepeatable)
  }

  /// The same for a list of words.
  @discardableResult
  package mutating func append(
    key: RedisKey? = nil, words: [String], isRepeatable: Bool = false
  ) -> Reply<Void> {
    let bytes = words.reduce(0) { $0 + $1.utf8.count }
    let name = key.map { "\($0)" }
    return self.append(
      arguments: words.count, key: key, bytes: bytes, isRepeatable: isRepeatable
    ) { writer in
      for word in words { writer.bulk(word, isKey: word == name) }
    }
  }
}

/// Splitting batches, for clients.
extension RedisBatch {
  private func range(of index: Int) -> Range<Int> {
    (index == 0 ? 0 : self.commands[index - 1].end)..<self.commands[index].end
  }

  func encoded(_ index: Int) -> ByteBufferView {
    self.bytes.viewBytes(at: self.range(of: index).lowerBound, length: self.range(of: index).count)!
  }

  /// The first key that a command names, as Redis sees it; nil for a command without one.
  func key(of index: Int) -> [UInt8]? {
    let command = self.commands[index]
    return command.keyCount == 0
      ? nil : self.bytes.getBytes(at: command.keyStart, length: command.keyCount)
  }

  /// The command at `index` with all others of its transaction.
  func unit(at index: Int) -> Range<Int> {
    var start = index
    while self.commands[start].belongsToPrevious { start -= 1 }
    var end = index + 1
    while end < self.count, self.commands[end].belongsToPrevious { end += 1 }
    return start..<end
  }

  package mutating func append(_ other: RedisBatch) {
    self.append(0..<other.count, of: other)
  }

  /// Appends the commands of another batch, all of which answer alike.
  package mutating func append<Value>(
    _ other: RedisBatch, of read: @escaping Reply<Value>.Read
  ) -> ReplyRange<Value> {
    let start = self.count
    self.append(other)
    return ReplyRange(commands: start..<self.count, read: read)
  }

  package mutating func append(_ range: Range<Int>, of other: RedisBatch) {
    guard let last = range.last else { return }
    self.maximumReplyBytes = max(self.maximumReplyBytes, other.maximumReplyBytes)
    if self.isEmpty, range.count == other.count {
      // Nothing is copied: most pipelines have one part.
      self.bytes = other.bytes
      self.commands = other.commands
      self.home = other.home
      self.isOfTwoHomes = other.isOfTwoHomes
      return
    }
    let start = other.range(of: range.lowerBound).lowerBound
    let shift = self.bytes.writerIndex - start
    self.bytes.writeImmutableBuffer(
      other.bytes.getSlice(at: start, length: other.commands[last].end - start)!)
    for command in other.commands[range] {
      self.append(
        Command(
          end: command.end + shift, slot: command.slot, home: command.home,
          keyStart: command.keyStart + shift, keyCount: command.keyCount,
          isRepeatable: command.isRepeatable,
          belongsToPrevious: command.belongsToPrevious || self.isInTransaction))
    }
  }

  /// Appends the question that ``confirmation`` asks, if it does.
  ///
  /// - Returns: the index of its reply.
  mutating func appendConfirmation() -> Int? {
    guard let confirmation = self.confirmation else { return nil }
    return self.append(
      "WAIT", "\(confirmation.replicas)", "\(confirmation.milliseconds)", isRepeatable: true
    ).index
  }
}
