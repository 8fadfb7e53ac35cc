import Testing

@testable import Redis

@Suite("A command on the wire")
struct CommandWriterTests {
  private func bytes(_ batch: RedisBatch) -> [UInt8] { Array(batch.bytes.readableBytesView) }

  private func encoded(
    arguments: Int, bytes room: Int, _ write: (inout CommandWriter) -> Void
  ) -> String {
    var batch = RedisBatch()
    batch.append(arguments: arguments, key: nil, bytes: room, write)
    return String(decoding: self.bytes(batch), as: UTF8.self)
  }

  @Test("is an array of bulk strings, whatever kind its arguments have")
  func everyKind() {
    let constant: StaticString = "SET"
    let text = "héllo"
    let key = RedisKey(prefix: "a:", tag: "bob")
    let raw: [UInt8] = [0, 13, 10, 255]
    var batch = RedisBatch()
    batch.append(arguments: 6, key: key, bytes: 3 + 6 + key.byteCount + 4 + 2 + 3) { writer in
      writer.bulk(constant)
      writer.bulk(text)
      writer.bulk(key)
      raw.withUnsafeBytes { writer.bulk($0) }
      writer.bulk(-7)
      writer.bulk(count: 3) { $0.copyBytes(from: [1, 2, 3]) }
    }
    let head = Array("*6\r\n$3\r\nSET\r\n$6\r\nhéllo\r\n$7\r\na:{bob}\r\n$4\r\n".utf8)
    let tail = Array("\r\n$2\r\n-7\r\n$3\r\n".utf8) + [1, 2, 3] + Array("\r\n".utf8)
    #expect(self.bytes(batch) == head + raw + tail)
  }

  @Test("gives every length in decimal", arguments: [0, 1, 9, 10, 99, 100, 65_536])
  func lengths(count: Int) {
    let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
    var batch = RedisBatch()
    batch.append(arguments: 2, key: nil, bytes: 2 * count) { writer in
      payload.withUnsafeBytes { writer.bulk($0) }
      writer.bulk(count: count) { $0.copyBytes(from: payload) }
    }
    let argument = Array("$\(count)\r\n".utf8) + payload + Array("\r\n".utf8)
    #expect(self.bytes(batch) == Array("*2\r\n".utf8) + argument + argument)
  }

  @Test(
    "writes any number",
    arguments: [0, 1, -1, 9, 10, -10, 99, 100, 65_536, Int.max, Int.max - 1, Int.min, Int.min + 1])
  func numbers(number: Int) {
    let digits = "\(number)"
    #expect(
      encoded(arguments: 1, bytes: digits.utf8.count) { $0.bulk(number) }
        == "*1\r\n$\(digits.utf8.count)\r\n\(digits)\r\n")
  }

  @Test("writes arguments of one character and of none")
  func shortArguments() {
    let star: StaticString = "*"
    let none: StaticString = ""
    #expect(
      encoded(arguments: 4, bytes: 2) { writer in
        writer.bulk(star)
        writer.bulk(none)
        writer.bulk("")
        writer.bulk("+")
      } == "*4\r\n$1\r\n*\r\n$0\r\n\r\n$0\r\n\r\n$1\r\n+\r\n")
  }

  @Test("fits into exactly the room of its arguments' contents", arguments: [1, 9, 10, 100, 1_000])
  func exactRoom(arguments: Int) {
    let word = "0123456789"
    let text = encoded(arguments: arguments, bytes: 10 * arguments) { writer in
      for _ in 0..<arguments { writer.bulk(word) }
    }
    #expect(
      text == "*\(arguments)\r\n" + String(repeating: "$10\r\n\(word)\r\n", count: arguments))
  }

  @Test("writes strings that are not contiguous UTF-8 in the way they read")
  func bridgedText() {
    let words = ["a", "b"].map { $0 + "ä" }
    #expect(
      encoded(arguments: 1, bytes: 7) { $0.bulk(words.joined(separator: "-")) }
        == "*1\r\n$7\r\naä-bä\r\n")
  }

  @Test("follows the commands before it in the batch, and ends where the batch says")
  func severalCommands() {
    var batch = RedisBatch()
    #expect(batch.isEmpty)
    batch.append("PING")
    batch.append(key: RedisKey(prefix: "m:", tag: "bob"), "XLEN", "m:{bob}")
    batch.append("ECHO", "")
    #expect(batch.count == 3)
    #expect(batch.byteCount == batch.bytes.readableBytes)
    let texts = [
      "*1\r\n$4\r\nPING\r\n", "*2\r\n$4\r\nXLEN\r\n$7\r\nm:{bob}\r\n",
      "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
    ]
    #expect(self.bytes(batch) == Array(texts.joined().utf8))
    var end = 0
    for (command, text) in zip(batch.commands, texts) {
      end += text.utf8.count
      #expect(command.end == end)
    }
    #expect(batch.commands.map(\.slot) == [nil, HashSlot(hashing: "bob"), nil])
  }

  @Test("does not change a batch that was copied before")
  func copies() {
    var batch = RedisBatch()
    batch.append("PING")
    let copy = batch
    batch.append("QUIT")
    #expect(copy.count == 1)
    #expect(self.bytes(copy) == Array("*1\r\n$4\r\nPING\r\n".utf8))
  }
}
