import ConnectProtocol
import Foundation
import NIOCore
import TestSupport
import Testing

@testable import ConnectClient
@testable import ConnectCommand

@Suite("A chat by lines")
struct PipeViewTests {
  private static let text = "a\u{1B}]0;title\u{7}\nb"

  /// What is written of a message to one end of two connected descriptors, read from the other.
  private func line(to output: Int32, from reader: Int32) throws -> String {
    let (alice, bob) = (UserName("alice")!, UserName("bob")!)
    let view = PipeView(peer: bob, output: OutputStream(descriptor: output))
    let message = LogEntry(
      id: MessageID("1")!, from: bob, to: alice,
      body: try MessageBody(json: ChatBody.encode(Self.text)), at: 0, offset: .zero)
    let log = ConversationLog(user: alice, peer: bob, start: .zero)
    #expect(view.show(.message(log.shown(message, floor: .zero))))
    var line: [UInt8] = []
    while line.last != UInt8(ascii: "\n") {
      var byte: UInt8 = 0
      guard read(reader, &byte, 1) == 1 else { throw TestFailure("the line has no end: \(line)") }
      line.append(byte)
    }
    return String(decoding: line, as: UTF8.self)
  }

  @Test("shows a terminal, if its output is one, nothing that it would obey")
  func terminal() throws {
    var (reader, terminal): (Int32, Int32) = (-1, -1)
    try #require(openpty(&reader, &terminal, nil, nil, nil) == 0)
    defer { for end in [reader, terminal] { close(end) } }
    // A terminal ends lines with both.
    #expect(
      try self.line(to: terminal, from: reader)
        == ChatBody.line(Self.text, isForTerminal: true) + "\r\n")
  }

  @Test("writes a pipe or a file each text as it is, on one line")
  func pipe() throws {
    var ends: [Int32] = [0, 0]
    try #require(Foundation.pipe(&ends) == 0)
    defer { for end in ends { close(end) } }
    #expect(try self.line(to: ends[1], from: ends[0]) == "a\u{1B}]0;title\u{7}\\nb\n")
  }
}
