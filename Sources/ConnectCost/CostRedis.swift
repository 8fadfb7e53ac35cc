import ConnectProtocol
import NIOCore

/// The replies of a Redis with the users of ``CostUsers``: bytes for the commands on a message's path.
///
/// It keeps the length of each mailbox, by which messaging knows that nobody else wrote there, and the name of
/// the consumer group that reads. It is what Redis answers when nothing goes wrong, and no more.
struct CostRedis {
  /// Entries of the mailboxes of ``CostUsers/recipient(_:)``.
  private var lengths = Array(repeating: 0, count: CostLimits.batch)
  /// Entries of the streams of gateways.
  private(set) var pushes = 0
  /// The last entry that is finished.
  private(set) var finished = Offset.zero
  /// Commands that have no reply here, whose cost would be that of an error.
  private(set) var unknown = 0
  /// The group that reads, as XREADGROUP names it.
  var group: [UInt8] = []

  /// Entries of all mailboxes.
  var stored: Int { self.lengths.reduce(0, +) }

  /// The replies to a pipeline.
  mutating func replies(to commands: ByteBuffer) -> ByteBuffer {
    var replies = ByteBuffer()
    commands.withUnsafeReadableBytes { raw in
      var position = 0
      while position < raw.count {
        let command = CostCommand(raw, at: &position)
        self.reply(to: command, &replies)
      }
    }
    return replies
  }

  private mutating func reply(to command: CostCommand, _ replies: inout ByteBuffer) {
    switch command.name {
    case "XADD":
      if command.isOfMailbox { self.lengths[command.user] += 1 }
      if command.isOfGateway { self.pushes += 1 }
      replies.writeBulk(command.second.first == UInt8(ascii: "1") ? command.second : Self.given)
    case "XLEN":
      replies.writeStaticString(":")
      replies.writeString("\(self.lengths[command.user])")
      replies.writeStaticString("\r\n")
    case "HGETALL":
      replies.writeStaticString("*2\r\n$7\r\ndefault\r\n$15\r\ngateway-1/abc.1\r\n")
    case "HMGET":
      // Where a device begins; no positions.
      replies.writeStaticString(
        command.isOfCursor
          ? "*3\r\n$27\r\n1700000000000-0 17000000000\r\n$-1\r\n$-1\r\n"
          : "*3\r\n$-1\r\n$-1\r\n$-1\r\n")
    case "HGET": replies.writeStaticString("$-1\r\n")
    case "XRANGE", "XREVRANGE": replies.writeStaticString("*0\r\n")
    case "XGROUP":
      self.finished = Offset(utf8: command.last) ?? .zero
      replies.writeStaticString("+OK\r\n")
    case "HSET", "HSETNX", "HLEN", "EXPIRE", "PEXPIRE", "XTRIM":
      replies.writeStaticString(":1\r\n")
    case "XINFO": self.describeGroups(&replies)
    case "EVALSHA": replies.writeBulk(Self.given)
    case "EVAL":
      replies.writeStaticString("*5\r\n$5\r\nbegun\r\n:0\r\n$-1\r\n$-1\r\n$-1\r\n")
    default:
      self.unknown += 1
      replies.writeString("-ERR unknown command '\(command.name)'\r\n")
    }
  }

  /// Both groups of the session, of which everything was read.
  private func describeGroups(_ replies: inout ByteBuffer) {
    replies.writeStaticString("*2\r\n")
    let session = self.group.dropLast(":reading".utf8.count)
    for ending in [":finished", ":reading"] {
      replies.writeStaticString("*12\r\n$4\r\nname\r\n")
      replies.writeBulk(session + ending.utf8)
      replies.writeStaticString("$9\r\nconsumers\r\n:1\r\n$7\r\npending\r\n:0\r\n")
      replies.writeStaticString("$17\r\nlast-delivered-id\r\n$15\r\n9700000000000-0\r\n")
      replies.writeStaticString("$12\r\nentries-read\r\n$-1\r\n$3\r\nlag\r\n:0\r\n")
    }
  }

  /// The id of an entry for which Redis chooses it.
  private static var given: UnsafeRawBufferPointer {
    let text: StaticString = "1700000000000-0"
    return UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
  }
}

/// A command as it was written, of which some words matter.
struct CostCommand {
  private(set) var name = ""
  private var key = UnsafeRawBufferPointer(start: nil, count: 0)
  /// The word behind the key, or behind the first option.
  private(set) var second = UnsafeRawBufferPointer(start: nil, count: 0)
  /// Behind those, the last word.
  private(set) var last = UnsafeRawBufferPointer(start: nil, count: 0)

  /// Reads `*…` with its words, and moves behind it.
  init(_ raw: UnsafeRawBufferPointer, at position: inout Int) {
    let words = Self.number(in: raw, at: &position)
    for index in 0..<words {
      let length = Self.number(in: raw, at: &position)
      let word = UnsafeRawBufferPointer(rebasing: raw[position..<position + length])
      position += length + 2
      switch index {
      case 0: self.name = String(decoding: word, as: UTF8.self)
      case 1: self.key = word
      case 2: self.second = word
      default: self.last = word
      }
    }
  }

  /// Reads a mark, a number and the end of the line.
  private static func number(in raw: UnsafeRawBufferPointer, at position: inout Int) -> Int {
    var number = 0
    position += 1
    while raw[position] != UInt8(ascii: "\r") {
      number = 10 * number + Int(raw[position] - UInt8(ascii: "0"))
      position += 1
    }
    position += 2
    return number
  }

  /// The first letter behind the prefix of all keys.
  private var kind: UInt8 { self.key.count > Self.prefix ? self.key[Self.prefix] : 0 }

  private static var prefix: Int { 8 }

  var isOfMailbox: Bool { self.kind == UInt8(ascii: "m") }
  var isOfCursor: Bool { self.kind == UInt8(ascii: "c") }
  var isOfGateway: Bool { self.kind == UInt8(ascii: "o") }

  /// The number of the user that the key names.
  var user: Int {
    let digits = self.key.suffix(3)
    let zero = Int(UInt8(ascii: "0"))
    return 10 * (Int(digits[digits.startIndex]) - zero)
      + Int(digits[digits.startIndex + 1]) - zero
  }
}
