import ConnectProtocol
import Testing

@testable import Gateway

@Suite("Reads wait until it is known how far they go")
struct ReadQueueTests {
  let alice = UserName("alice")!

  private func offset(_ number: UInt64) -> Offset { Offset(milliseconds: number, sequence: 0) }

  private func read(_ number: UInt64, isPrivate: Bool = false) -> ClientFrame.Read {
    ClientFrame.Read(peer: self.alice, offset: self.offset(number), isPrivate: isPrivate)
  }

  private func next(
    _ queue: inout ReadQueue, last: UInt64 = 10, noted: UInt64 = 0
  ) -> ReadQueue.Step? {
    queue.next(last: self.offset(last), noted: self.offset(noted))
  }

  /// Entries with descending offsets, of which nobody is to be told.
  private func entries(_ count: Int, below: UInt64, bytes: Int = 100) -> [ReadQueue.Entry] {
    (0..<count).map {
      ReadQueue.Entry(
        offset: self.offset(below - 1 - UInt64($0)), bytes: bytes, receiptFor: nil)
    }
  }

  @Test("and not at all if they are of what was sent")
  func sent() {
    var queue = ReadQueue()
    for number in [10, 3] as [UInt64] { queue.append(self.read(number)) }
    #expect(self.next(&queue) == .take(self.read(10), delivered: nil))
    #expect(self.next(&queue) == .take(self.read(3), delivered: nil))
    #expect(self.next(&queue) == nil)
    #expect(queue.count == 0)
  }

  @Test("one after the other, and in private only the mailbox's top is asked for")
  func privately() {
    var queue = ReadQueue()
    queue.append(self.read(50, isPrivate: true))
    queue.append(self.read(20, isPrivate: true))
    #expect(self.next(&queue) == .look(.top))
    #expect(self.next(&queue) == nil, "one look at a time")
    #expect(
      queue.topArrived(self.offset(30)) == .take(self.read(30, isPrivate: true), delivered: nil))
    #expect(self.next(&queue) == .look(.top))
    #expect(
      queue.topArrived(self.offset(30)) == .take(self.read(20, isPrivate: true), delivered: nil))
    #expect(queue.count == 0)
  }

  @Test("and a message of the peer that asks for a receipt is looked for, the newest first")
  func receipt() {
    var queue = ReadQueue()
    queue.append(self.read(50))
    _ = self.next(&queue)
    #expect(
      queue.topArrived(self.offset(40))
        == .look(
          .entries(below: self.offset(40).successor, above: self.offset(10), maximum: 2)))
    let carol = ReadQueue.Entry(
      offset: self.offset(40), bytes: 100, receiptFor: UserName("carol"))
    let none = ReadQueue.Entry(offset: self.offset(35), bytes: 100, receiptFor: nil)
    #expect(
      queue.entriesArrived([carol, none])
        == .look(.entries(below: self.offset(35), above: self.offset(10), maximum: 4)))
    let found = [30, 20].map {
      ReadQueue.Entry(offset: self.offset($0), bytes: 100, receiptFor: self.alice)
    }
    #expect(
      queue.entriesArrived(found) == .take(self.read(40), delivered: self.offset(30)))
  }

  @Test("but only above what senders were told of and what was sent")
  func noted() {
    var queue = ReadQueue()
    queue.append(self.read(50))
    _ = self.next(&queue, last: 10, noted: 25)
    #expect(
      queue.topArrived(self.offset(60))
        == .look(.entries(below: self.offset(50).successor, above: self.offset(25), maximum: 2)))
    #expect(
      queue.entriesArrived(self.entries(1, below: 40)) == .take(self.read(50), delivered: nil),
      "there are no more")
    queue.append(self.read(50))
    _ = self.next(&queue, last: 10, noted: 50)
    #expect(queue.topArrived(self.offset(60)) == .take(self.read(50), delivered: nil))
    queue.append(self.read(50))
    _ = self.next(&queue, last: 10)
    #expect(queue.topArrived(self.offset(10)) == .take(self.read(10), delivered: nil))
  }

  @Test("and no further than a bounded number of entries, in small pages")
  func bounded() {
    var queue = ReadQueue()
    for _ in 0..<2 {
      queue.append(self.read(1_000))
      _ = self.next(&queue)
      var step = queue.topArrived(self.offset(1_000))
      var examined = 0
      while case .look(.entries(let below, _, let maximum)) = step {
        #expect(maximum <= 16)
        examined += maximum
        step = queue.entriesArrived(self.entries(maximum, below: below.milliseconds))
      }
      #expect(step == .take(self.read(1_000), delivered: nil))
      #expect(examined == GatewayLimits.examinedEntries)
    }
  }

  @Test("and of bytes, counted after each page, in pages that grow")
  func bytes() {
    var queue = ReadQueue()
    for _ in 0..<2 {
      queue.append(self.read(1_000))
      _ = self.next(&queue)
      var step = queue.topArrived(self.offset(1_000))
      var pages: [Int] = []
      while case .look(.entries(let below, _, let maximum)) = step {
        pages.append(maximum)
        step = queue.entriesArrived(
          self.entries(
            maximum, below: below.milliseconds, bytes: GatewayLimits.examinedBytes / 10))
      }
      #expect(step == .take(self.read(1_000), delivered: nil))
      #expect(pages == [2, 4, 8])
    }
  }

  @Test("and one that could not be looked up gives way to the next")
  func failure() {
    var queue = ReadQueue()
    queue.append(self.read(50))
    queue.append(self.read(5))
    #expect(queue.failed() == nil)
    _ = self.next(&queue)
    #expect(queue.failed() == self.read(50))
    #expect(self.next(&queue) == .take(self.read(5), delivered: nil))
  }

  @Test("and are dropped when the user is erased, whatever is being looked up")
  func erased() {
    var queue = ReadQueue()
    for _ in 0..<2 { queue.append(self.read(50)) }
    _ = self.next(&queue)
    queue.erase()
    #expect(queue.topArrived(self.offset(40)) == nil)
    #expect(queue.entriesArrived([]) == nil)
    #expect(queue.failed() == nil)
    #expect(self.next(&queue) == nil)
    #expect(queue.count == 0)
  }
}
