import ConnectProtocol
import NIOCore
import TestSupport
import Testing

@testable import ConnectClient

@Suite struct EventBufferTests {
  private func message(_ number: UInt64) -> ConnectEvent {
    .message(
      IncomingMessage(
        offset: offset(number), from: bob, id: messageID(1), at: 0, body: json("1")))
  }

  @Test func eventsComeOutAsTheyWentIn() {
    var buffer = EventBuffer(high: 8)
    _ = buffer.append(self.message(1))
    _ = buffer.append(self.message(2))
    #expect(buffer.next() == self.message(1))
    #expect(buffer.next() == self.message(2))
    #expect(buffer.next() == nil)
  }

  @Test func readingStopsAtTheHighMarkAndGoesOnAtTheLow() {
    var buffer = EventBuffer(high: 8)
    for number in 1...7 { #expect(buffer.append(self.message(UInt64(number))) == false) }
    #expect(buffer.append(self.message(8)) == true)
    for _ in 1...5 {
      _ = buffer.next()
      #expect(buffer.resumes() == false)
    }
    _ = buffer.next()
    #expect(buffer.resumes() == true)
    #expect(buffer.resumes() == false)
  }

  @Test func comingAndGoingFillsNoMemory() {
    var buffer = EventBuffer(high: 4)
    for number in 1...4 { _ = buffer.append(self.message(UInt64(number))) }
    for _ in 0..<1_000 {
      #expect(buffer.append(.connecting(failures: 1)) == true)
      _ = buffer.append(.connected(welcome()))
      _ = buffer.append(.disconnected(.silent, retryIn: .seconds(1)))
    }
    #expect(buffer.count == 5)
  }

  @Test func theLastEventIsTheEnd() {
    var buffer = EventBuffer(high: 4)
    #expect(!buffer.isFinished)
    _ = buffer.append(.disconnected(.silent, retryIn: .seconds(1)))
    #expect(!buffer.isFinished)
    _ = buffer.append(.disconnected(.closed, retryIn: nil))
    #expect(buffer.isFinished)
  }
}
