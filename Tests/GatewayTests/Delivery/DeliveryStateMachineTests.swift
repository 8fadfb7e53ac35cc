import ConnectProtocol
import Testing

@testable import Gateway

/// Offsets of a mailbox, by number.
func at(_ number: UInt64) -> Offset { Offset(milliseconds: number, sequence: 0) }

extension DeliveryStateMachine {
  /// Has sent 1 and caught up.
  fileprivate static func current(window: Int = 4) -> DeliveryStateMachine {
    var machine = DeliveryStateMachine(start: .zero, window: window)
    _ = machine.nextPage(canWrite: true)
    machine.sent(at(1), receipt: nil)
    _ = machine.pageEnded(entries: 1, isComplete: true)
    return machine
  }

  /// Has sent 1, and knows that there may be more.
  fileprivate static func behind(window: Int = 4) -> DeliveryStateMachine {
    var machine = self.current(window: window)
    machine.recheckMailbox()
    return machine
  }

  /// Has sent 1, and reads what is after it.
  fileprivate static func paging(window: Int = 4) -> DeliveryStateMachine {
    var machine = self.behind(window: window)
    _ = machine.nextPage(canWrite: true)
    return machine
  }
}

@Suite("Delivery")
struct DeliveryStateMachineTests {
  typealias Machine = DeliveryStateMachine
  static let states: [@Sendable () -> Machine] = [
    { .current() }, { .behind() }, { .paging() },
  ]

  // MARK: Beginning

  @Test("begins with a read of the mailbox, whatever is pushed first")
  func start() {
    var machine = Machine(start: at(5), window: 4)
    #expect(machine.state == .behind)
    #expect(machine.last == at(5))
    #expect(machine.acked == at(5))
    #expect(machine.pushed(previous: at(5), offset: at(6), canWrite: true) == .fallBehind)
    #expect(machine.nextPage(canWrite: true) == 4)
  }

  @Test("is live once, when the first read found no more")
  func live() {
    var machine = Machine(start: at(5), window: 4)
    _ = machine.nextPage(canWrite: true)
    machine.sent(at(6), receipt: nil)
    #expect(machine.pageEnded(entries: 1, isComplete: true) == .live(at(6)))
    machine.recheckMailbox()
    _ = machine.nextPage(canWrite: true)
    #expect(machine.pageEnded(entries: 0, isComplete: true) == .none)
    #expect(machine.state == .current)
  }

  // MARK: Pushes

  @Test("skips what was sent before, in every state", arguments: Self.states)
  func skip(make: @Sendable () -> Machine) {
    var machine = make()
    let state = machine.state
    for previous in [Offset.zero, at(1)] {
      #expect(machine.pushed(previous: previous, offset: at(1), canWrite: true) == .skip)
    }
    #expect(machine.state == state)
  }

  @Test("sends a push that continues where it is")
  func send() {
    var machine = Machine.current()
    #expect(machine.pushed(previous: at(1), offset: at(2), canWrite: true) == .send)
    machine.sent(at(2), receipt: nil)
    #expect(machine.last == at(2))
    #expect(machine.state == .current)
    #expect(machine.nextPage(canWrite: true) == nil, "nothing is due")
  }

  @Test("sends a push whose predecessor lies before what the client has")
  func sendAfterSince() {
    var machine = Machine(start: at(9), window: 4)
    _ = machine.nextPage(canWrite: true)
    _ = machine.pageEnded(entries: 0, isComplete: true)
    #expect(machine.pushed(previous: at(4), offset: at(10), canWrite: true) == .send)
  }

  @Test("falls behind when a push does not continue, is of unknown place, or cannot be written")
  func fallBehind() {
    var gap = Machine.current()
    #expect(gap.pushed(previous: at(2), offset: at(3), canWrite: true) == .fallBehind)
    #expect(gap.state == .behind)

    var unknown = Machine.current()
    #expect(unknown.pushed(previous: .zero, offset: at(2), canWrite: true) == .fallBehind)
    #expect(unknown.state == .behind)

    var blocked = Machine.current()
    #expect(blocked.pushed(previous: at(1), offset: at(2), canWrite: false) == .fallBehind)
    #expect(blocked.state == .behind)
  }

  @Test("falls behind when the window is full, and goes on after an ack")
  func window() {
    var machine = Machine.current(window: 1)
    #expect(machine.pushed(previous: at(1), offset: at(2), canWrite: true) == .fallBehind)
    #expect(machine.nextPage(canWrite: true) == nil, "one is unacked, and no more may be")
    #expect(machine.ack(at(1)) == [])
    #expect(machine.nextPage(canWrite: true) == 1)
  }

  @Test("stays behind until asked for a page")
  func behind() {
    var machine = Machine.behind()
    #expect(machine.pushed(previous: at(1), offset: at(2), canWrite: true) == .fallBehind)
    #expect(machine.state == .behind)
    #expect(machine.nextPage(canWrite: false) == nil)
    #expect(machine.state == .behind)
    #expect(machine.nextPage(canWrite: true) == 3, "the window less one unacked")
    #expect(machine.nextPage(canWrite: true) == nil, "one read at a time")
  }

  @Test("reads again when more was pushed during the read than it brought")
  func missed() {
    var machine = Machine.paging()
    #expect(machine.pushed(previous: at(2), offset: at(3), canWrite: true) == .fallBehind)
    #expect(machine.pushed(previous: at(1), offset: at(2), canWrite: true) == .fallBehind)
    machine.sent(at(2), receipt: nil)
    #expect(machine.pageEnded(entries: 1, isComplete: true) == .more)
    #expect(machine.state == .behind)
    #expect(machine.nextPage(canWrite: true) == 2)
    machine.sent(at(3), receipt: nil)
    #expect(machine.pageEnded(entries: 1, isComplete: true) == .none)
    #expect(machine.state == .current)
  }

  @Test("ends even if what was pushed is nowhere in the mailbox")
  func phantom() {
    var machine = Machine.paging()
    _ = machine.pushed(previous: .zero, offset: at(9), canWrite: true)
    #expect(machine.pageEnded(entries: 0, isComplete: true) == .more)
    _ = machine.nextPage(canWrite: true)
    #expect(machine.pageEnded(entries: 0, isComplete: true) == .none)
    #expect(machine.state == .current)
  }

  // MARK: Pages

  @Test("reads again after a full page, larger and larger, up to the limit and the window")
  func fullPages() {
    var machine = Machine(start: .zero, window: 1_000)
    var sizes: [Int] = []
    var number: UInt64 = 0
    for _ in 0..<6 {
      let maximum = machine.nextPage(canWrite: true) ?? 0
      sizes.append(maximum)
      for _ in 0..<maximum {
        number += 1
        machine.sent(at(number), receipt: nil)
      }
      #expect(machine.pageEnded(entries: maximum, isComplete: true) == .more)
    }
    #expect(sizes == [16, 32, 64, 128, 128, 128])
    _ = machine.ack(at(number))
    _ = machine.nextPage(canWrite: true)
    _ = machine.pageEnded(entries: 0, isComplete: true)
    machine.recheckMailbox()
    #expect(machine.nextPage(canWrite: true) == 16, "the next replay begins small again")
  }

  @Test("stays behind when a page could not be written whole, or not be read")
  func incomplete() {
    var machine = Machine.paging()
    #expect(machine.pageEnded(entries: 2, isComplete: false) == .none)
    #expect(machine.state == .behind)
    _ = machine.nextPage(canWrite: true)
    machine.pageFailed()
    #expect(machine.state == .behind)
    #expect(machine.nextPage(canWrite: true) == 3)
  }

  @Test("asks for half as many entries after a page that could not be read, but for two at least")
  func failedPages() {
    var machine = Machine(start: .zero, window: 64)
    for expected in [16, 8, 4, 2, 2] {
      #expect(machine.nextPage(canWrite: true) == expected)
      machine.pageFailed()
    }
  }

  @Test("passes over what it cannot read, without an ack for it")
  func skipped() {
    var machine = Machine.paging()
    machine.skipped(at(2))
    #expect(machine.last == at(2))
    #expect(machine.unackedCount == 1)
    machine.skipped(at(1))
    #expect(machine.last == at(2))
  }

  @Test("takes no notice of a page that it does not wait for", arguments: Self.states.prefix(2))
  func strayPage(make: @Sendable () -> Machine) {
    var machine = make()
    let state = machine.state
    machine.pageFailed()
    #expect(machine.pageEnded(entries: 3, isComplete: true) == .none)
    #expect(machine.state == state)
  }

  @Test("looks for a lost push only when it believes that there is none")
  func recheckMailbox() {
    var current = Machine.current()
    current.recheckMailbox()
    #expect(current.state == .behind)
    var paging = Machine.paging()
    paging.recheckMailbox()
    #expect(paging.state == .paging(maximum: 3, missed: .zero))
  }

  // MARK: Acks

  private static let alice = UserName("alice")!

  private func due(_ number: UInt64) -> PositionOutbox.Message {
    PositionOutbox.Message(peer: Self.alice, offset: at(number))
  }

  @Test("gives the messages whose senders are told of an ack, in order and once, in every state")
  func messages() {
    for prepare in [{ _ in }, { $0.recheckMailbox() }] as [(inout Machine) -> Void] {
      var machine = Machine(start: .zero, window: 8)
      _ = machine.nextPage(canWrite: true)
      machine.sent(at(1), receipt: Self.alice)
      machine.sent(at(2), receipt: nil)
      machine.sent(at(3), receipt: Self.alice)
      machine.sent(at(4), receipt: Self.alice)
      _ = machine.pageEnded(entries: 4, isComplete: true)
      prepare(&machine)
      #expect(machine.ack(at(3)) == [self.due(1), self.due(3)])
      #expect(machine.unackedCount == 1)
      #expect(machine.ack(at(3)) == nil)
      #expect(machine.ack(at(2)) == nil, "what is older says nothing new")
      #expect(machine.ack(at(4)) == [self.due(4)])
    }
  }

  @Test("gives no receipt for what an earlier connection acked and the client asks for again")
  func reported() {
    var machine = Machine(start: .zero, window: 8, reported: at(2))
    _ = machine.nextPage(canWrite: true)
    for number in 1...3 as ClosedRange<UInt64> {
      machine.sent(at(number), receipt: Self.alice)
    }
    #expect(machine.ack(at(3)) == [self.due(3)])
  }

  @Test("takes an ack of what was never sent for one of the last")
  func clamp() {
    var machine = Machine.current()
    #expect(machine.ack(at(99)) == [])
    #expect(machine.acked == at(1))
    #expect(machine.pushed(previous: at(1), offset: at(2), canWrite: true) == .send)
    machine.sent(at(2), receipt: Self.alice)
    #expect(machine.ack(at(99)) == [self.due(2)])
  }

  @Test("takes an ack between two offsets for one of the lower")
  func between() {
    var machine = Machine.current()
    _ = machine.pushed(previous: at(1), offset: at(5), canWrite: true)
    machine.sent(at(5), receipt: Self.alice)
    #expect(machine.ack(at(3)) == [])
    #expect(machine.acked == at(3))
    #expect(machine.unackedCount == 1)
  }
}
