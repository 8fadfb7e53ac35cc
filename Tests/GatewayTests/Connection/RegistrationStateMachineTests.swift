import ConnectProtocol
import ConnectTestStand
import Testing

@testable import Gateway
@testable import MessageBus

private typealias Machine = RegistrationStateMachine

/// The time at which all begins, in seconds since 1970.
private let now: Double = 1_000_000
private let day = GatewayLimits.seenSeconds

private func position(
  acked: UInt64 = 0, removed: UInt64? = nil, seen: UInt64? = UInt64(now), hasDisplaced: Bool = false
) -> Cursors.Position {
  Cursors.Position(
    acked: acked == 0 ? .zero : at(acked), removed: removed.map { at($0) }, seenSeconds: seen,
    hasDisplaced: hasDisplaced)
}

/// A machine whose client was welcomed at `acked`.
private func opened(acked: UInt64 = 0, seen: UInt64? = UInt64(now)) -> Machine {
  var machine = Machine(since: nil)
  let start = machine.start(at: position(acked: acked, seen: seen), below: at(100))
  _ = machine.opened(at: start, now: now)
  return machine
}

extension RegistrationStateMachine {
  fileprivate mutating func requireStore(safe: Offset, now: Double) throws -> Store {
    let store = self.store(safe: safe, now: now)
    return try #require(store, "nothing is stored")
  }
}

@Suite("Where a connection begins")
struct StartTests {
  private func start(
    since: Offset?, _ position: Cursors.Position, noted: UInt64? = nil, top: UInt64 = 100
  ) -> Machine.Start {
    Machine(since: since).start(
      at: position, noted: noted.map { at($0) }, below: at(100),
      top: since.map { _ in top == 0 ? .zero : at(top) })
  }

  @Test("at the cursor, or where the client says it is")
  func plausible() {
    for (since, offset) in [(nil, at(7)), (.zero, .zero), (at(5), at(5)), (at(100), at(100))]
      as [(Offset?, Offset)]
    {
      let expected = Machine.Start(
        offset: offset, acked: at(7), told: at(7), seen: 50, hasGap: false, isReset: false,
        isNoteReset: false)
      #expect(self.start(since: since, position(acked: 7, seen: 50)) == expected)
    }
  }

  @Test("at the top of the mailbox, if the client says that it is above")
  func clipped() {
    for (since, top, offset) in [
      (at(9), 8, at(8)), (at(8), 8, at(8)), (at(9), 0, .zero), (at(5), 8, at(5)),
    ] as [(Offset, UInt64, Offset)] {
      let start = self.start(since: since, position(acked: 7), top: top)
      #expect(start.offset == offset)
      #expect(!start.hasGap && !start.isReset)
    }
  }

  @Test("having told the senders of all up to where that is noted, and up to the cursor at least")
  func told() {
    for (noted, told) in [(nil, 7), (6, 7), (7, 7), (8, 8), (100, 100)] as [(UInt64?, UInt64)] {
      let start = self.start(since: nil, position(acked: 7), noted: noted)
      #expect(start.told == at(told))
      #expect(!start.isNoteReset)
    }
  }

  @Test("having told nobody beyond its cursor, if what is noted is above all that can be")
  func impossibleNote() {
    let start = self.start(since: nil, position(acked: 7), noted: 101)
    #expect(start.told == at(7))
    #expect(start.isNoteReset && !start.isReset)
    let reset = self.start(since: nil, position(acked: 101), noted: 102)
    #expect(reset.told == .zero)
    #expect(reset.isNoteReset && reset.isReset)
    let kept = self.start(since: nil, position(acked: 101), noted: 60)
    #expect(kept.told == at(60))
    #expect(!kept.isNoteReset && kept.isReset)
  }

  @Test("at 0 and with a gap, if the client's offset is above all that can be")
  func impossibleSince() {
    let expected = Machine.Start(
      offset: .zero, acked: at(7), told: at(7), seen: 50, hasGap: true, isReset: false,
      isNoteReset: false)
    #expect(self.start(since: at(101), position(acked: 7, seen: 50)) == expected)
  }

  @Test("at 0 and with a gap, if the cursor is above the top, and the device counts as not seen")
  func impossibleCursor() {
    let expected = Machine.Start(
      offset: .zero, acked: .zero, told: .zero, seen: 0, hasGap: true, isReset: true,
      isNoteReset: false)
    #expect(self.start(since: nil, position(acked: 101, seen: 50)) == expected)
    #expect(self.start(since: at(101), position(acked: 101, seen: 50)) == expected)
  }

  @Test("where the client says it is, though its cursor is above the top")
  func plausibleSince() {
    let expected = Machine.Start(
      offset: at(5), acked: .zero, told: .zero, seen: 0, hasGap: false, isReset: true,
      isNoteReset: false)
    #expect(self.start(since: at(5), position(acked: 101, seen: 50)) == expected)
  }

  @Test("with a gap, if retention removed what was not acked, or the device was displaced")
  func gap() {
    #expect(self.start(since: nil, position(acked: 7, removed: 8)).hasGap)
    #expect(!self.start(since: nil, position(acked: 7, removed: 7)).hasGap)
    #expect(self.start(since: nil, position(seen: nil, hasDisplaced: true)).hasGap)
    #expect(self.start(since: at(5), position(acked: 101, removed: 3)).hasGap)
  }

  @Test("A cursor, and a note of what senders were told, are plausible up to the limit")
  func plausibility() {
    for (acked, noted, isPlausible) in [
      (100, nil, true), (101, nil, false), (0, 100, true), (0, 101, false), (101, 5, false),
    ] as [(UInt64, UInt64?, Bool)] {
      let noted = noted.map { at($0) }
      #expect(
        Machine(since: nil).isPlausible(position(acked: acked), noted: noted, below: at(100))
          == isPlausible)
    }
  }

  @Test("The top of the mailbox matters where the client says where it is, before the welcome")
  func namesOffset() {
    #expect(!Machine(since: nil).namesOffset)
    #expect(Machine(since: .zero).namesOffset)
    #expect(!opened().namesOffset)
  }
}

@Suite("When the cursor is stored")
struct CursorStoreTests {
  @Test("After the welcome, only if the device is known, and was not seen for a day")
  func welcome() {
    for (seen, expected) in [
      (nil, []), (0, .queueStore), (UInt64(now - day) - 1, .queueStore),
      (UInt64(now - day), []), (UInt64(now), []),
    ] as [(UInt64?, Machine.Actions)] {
      var machine = Machine(since: nil)
      let start = machine.start(at: position(acked: 7, seen: seen), below: at(100))
      #expect(machine.opened(at: start, now: now) == expected, "seen \(seen ?? 1)")
    }
  }

  @Test(
    "After the welcome of a device that was not known only a day later: it was introduced as seen")
  func introduced() {
    var machine = opened(seen: nil)
    #expect(machine.store(safe: .zero, now: now) == nil)
    #expect(machine.periodPassed(now: now + day) == [])
    #expect(machine.periodPassed(now: now + day + 1) == .queueStore)
    // One whose cursor is impossible is known, and that is overwritten.
    var reset = Machine(since: nil)
    let start = reset.start(at: position(acked: 101, seen: nil), below: at(100))
    #expect(reset.opened(at: start, now: now) == .queueStore)
    #expect(reset.store(safe: .zero, now: now) == .init(offset: .zero, before: .zero))
  }

  @Test("For a device that was not seen for a day, with the offset that is stored")
  func seen() {
    var machine = opened(acked: 7)
    #expect(machine.periodPassed(now: now + day) == [])
    #expect(machine.periodPassed(now: now + day + 1) == .queueStore)
    #expect(machine.store(safe: .zero, now: now + day + 1) == .init(offset: at(7), before: at(7)))
    #expect(machine.periodPassed(now: now + 2 * day) == [])
  }

  @Test("Once for all acks since the last time")
  func acks() {
    var machine = opened(acked: 7)
    #expect(machine.moved(to: at(7), underWay: 0) == [], "that is stored")
    #expect(machine.moved(to: at(8), underWay: 1) == .queueStore)
    #expect(machine.moved(to: at(9), underWay: 0) == [], "it is queued")
    #expect(machine.store(safe: at(9), now: now) == .init(offset: at(9), before: at(7)))
    #expect(machine.moved(to: at(9), underWay: 0) == [], "that is being stored")
    #expect(machine.moved(to: at(10), underWay: 0) == .queueStore)
  }

  @Test("Never with an offset below the one that is stored, nor again with the same")
  func neverBack() {
    var machine = opened(acked: 7)
    #expect(machine.moved(to: at(3), underWay: 0) == [])
    #expect(machine.store(safe: at(3), now: now) == nil)
    #expect(machine.store(safe: at(7), now: now) == nil)
  }

  @Test("Again after a failure, with the device's latest offset, also if that has not moved")
  func failure() throws {
    var machine = opened(acked: 7)
    _ = machine.moved(to: at(8), underWay: 0)
    let first = try machine.requireStore(safe: at(8), now: now)
    #expect(machine.storeFailed(first) == .queueStore)
    #expect(machine.store(safe: at(9), now: now) == .init(offset: at(9), before: at(7)))

    var seen = opened(acked: 7)
    _ = seen.periodPassed(now: now + 2 * day)
    let same = try seen.requireStore(safe: .zero, now: now + 2 * day)
    #expect(seen.storeFailed(same) == .queueStore)
    #expect(seen.store(safe: .zero, now: now + 2 * day) == same)
  }

  @Test("From the lowest offset that may be lost, if several stores under way fail")
  func failures() throws {
    var machine = opened(acked: 7)
    _ = machine.moved(to: at(8), underWay: 0)
    let first = try machine.requireStore(safe: at(8), now: now)
    _ = machine.moved(to: at(9), underWay: 0)
    let second = try machine.requireStore(safe: at(9), now: now)
    #expect(second == .init(offset: at(9), before: at(8)))
    #expect(machine.storeFailed(first) == .queueStore)
    #expect(machine.storeFailed(second) == [], "it is queued")
    #expect(machine.store(safe: at(9), now: now) == .init(offset: at(9), before: at(7)))
  }

  @Test("Not before it was read")
  func unknown() {
    var machine = Machine(since: at(5))
    #expect(machine.periodPassed(now: now) == [])
    #expect(machine.moved(to: at(8), underWay: 0) == [])
    #expect(machine.store(safe: at(8), now: now) == nil)
    #expect(machine.storeFailed(.init(offset: at(8), before: at(7))) == [])
    #expect(machine.closed(underWay: 0) == .remove)
    #expect(machine.store(safe: at(8), now: now) == nil)
  }

  @Test("Never once the user is erased, be it queued or under way")
  func erased() throws {
    var machine = opened(acked: 7)
    _ = machine.moved(to: at(8), underWay: 0)
    let underWay = try machine.requireStore(safe: at(8), now: now)
    _ = machine.moved(to: at(9), underWay: 0)
    #expect(machine.erased(underWay: 0) == .removeNow)
    #expect(machine.store(safe: at(9), now: now) == nil)
    #expect(machine.storeFailed(underWay) == [])
    #expect(machine.moved(to: at(10), underWay: 0) == [])
    #expect(machine.periodPassed(now: now + 2 * day) == [])
    #expect(machine.closed(underWay: 1) == [])
    #expect(machine.store(safe: at(10), now: now + 2 * day) == nil)
    #expect(machine.moved(to: at(11), underWay: 0) == .remove)
    #expect(machine.store(safe: at(11), now: now + 2 * day) == nil)
  }

  @Test("Not after the welcome of a user who was erased meanwhile")
  func erasedBefore() {
    var machine = Machine(since: nil)
    #expect(machine.erased(underWay: 0) == .removeNow)
    let start = machine.start(at: position(seen: nil), below: at(100))
    #expect(machine.opened(at: start, now: now) == [])
    #expect(machine.store(safe: .zero, now: now) == nil)
  }
}

@Suite("How a session enters and leaves the registry")
struct RegistrationStateMachineTests {
  @Test("It goes behind the last store, which is due in any case")
  func closed() {
    var machine = opened(acked: 7)
    #expect(machine.closed(underWay: 0) == [.queueStore, .hurryStore, .remove])
    #expect(machine.state == .removed)
    #expect(machine.store(safe: at(7), now: now) == .init(offset: at(7), before: at(7)))
    #expect(machine.closed(underWay: 0) == [], "it goes once")
  }

  @Test("A store that is queued already is hurried")
  func hurried() {
    var machine = opened(acked: 7)
    _ = machine.moved(to: at(8), underWay: 0)
    #expect(machine.closed(underWay: 0) == [.hurryStore, .remove])
    #expect(machine.store(safe: at(8), now: now) == .init(offset: at(8), before: at(7)))
  }

  @Test("It stays while positions are under way that may let the cursor move")
  func positions() {
    var machine = opened(acked: 7)
    #expect(machine.closed(underWay: 2) == [.queueStore, .hurryStore])
    #expect(machine.state == .closed)
    #expect(machine.store(safe: at(7), now: now) == .init(offset: at(7), before: at(7)))
    #expect(machine.moved(to: at(7), underWay: 1) == [], "the first is still missing")
    #expect(machine.moved(to: at(9), underWay: 0) == [.queueStore, .hurryStore, .remove])
    #expect(machine.store(safe: at(9), now: now) == .init(offset: at(9), before: at(7)))
    #expect(machine.state == .removed)
  }

  @Test("Positions that the bus did not take let it go with the cursor where it was")
  func positionsFailed() {
    var machine = opened(acked: 7)
    _ = machine.closed(underWay: 1)
    _ = machine.store(safe: at(7), now: now)
    #expect(machine.moved(to: at(7), underWay: 0) == .remove)
    #expect(machine.moved(to: at(7), underWay: 0) == [], "it goes once")
  }

  @Test("Positions of an open connection take it nowhere")
  func open() {
    var machine = opened(acked: 7)
    #expect(machine.moved(to: at(7), underWay: 0) == [])
    #expect(machine.state == .entered)
  }

  @Test("A last store that fails is not tried again")
  func lastStoreFails() throws {
    var machine = opened(acked: 7)
    _ = machine.closed(underWay: 0)
    let last = try machine.requireStore(safe: at(8), now: now)
    #expect(machine.storeFailed(last) == [])
  }

  @Test("An answer to the registration of a connection that has ended has the session removed")
  func answeredLate() {
    var machine = Machine(since: nil)
    #expect(machine.answered() == [])
    #expect(machine.closed(underWay: 0) == .remove)
    #expect(machine.answered() == .removeNow)

    var waiting = opened()
    _ = waiting.closed(underWay: 1)
    #expect(waiting.answered() == .removeNow)
  }

  @Test("A newer connection of the device replaces this one, whether the registry was lost or not")
  func replaced() {
    var machine = opened()
    #expect(machine.checked(.another, entersIfMissing: false) == .yield)
    machine.lost()
    #expect(machine.checked(.another, entersIfMissing: true) == .yield)
    #expect(machine.state == .entered)
  }

  @Test("A registry that was lost is told of the session until it answers")
  func lost() {
    var machine = opened()
    #expect(machine.checked(.unknown, entersIfMissing: false) == .checkMailbox)
    machine.lost()
    #expect(machine.state == .lost)
    #expect(machine.checked(.unknown, entersIfMissing: true) == .checkMailboxAndRetry)
    #expect(machine.checked(.nobody, entersIfMissing: true) == .checkMailboxAndRetry)
    #expect(machine.checked(.us, entersIfMissing: true) == .checkMailbox)
    #expect(machine.state == .entered)
    #expect(machine.checked(.unknown, entersIfMissing: false) == .checkMailbox)
  }

  @Test("A session that the registry names is only looked at, and one that is missing is entered")
  func looked() {
    var machine = opened()
    #expect(machine.checked(.us, entersIfMissing: false) == .none)
    #expect(machine.checked(.nobody, entersIfMissing: false) == .enter)
    #expect(machine.state == .lost)
    #expect(machine.checked(.us, entersIfMissing: true) == .checkMailbox)
    #expect(machine.state == .entered)
  }

  @Test("A look from before the registry was lost does not count")
  func lookedBefore() {
    for holder in [Machine.Holder.us, .nobody] {
      var machine = opened()
      machine.lost()
      #expect(machine.checked(holder, entersIfMissing: false) == .none)
      #expect(machine.state == .lost, "it is about to be entered")
    }
  }

  @Test("A registry that is lost before the welcome is remembered")
  func lostBefore() {
    var machine = Machine(since: nil)
    machine.lost()
    _ = machine.opened(
      at: machine.start(at: position(), below: at(100)), now: now)
    #expect(machine.state == .lost)
  }

  @Test("Who has ended is not lost, and who has ended or is erased is not renewed")
  func renewal() {
    var machine = opened()
    #expect(machine.mayRenew)
    machine.lost()
    #expect(machine.mayRenew)
    _ = machine.closed(underWay: 1)
    #expect(!machine.mayRenew)
    machine.lost()
    #expect(machine.state == .closed)
    _ = machine.moved(to: .zero, underWay: 0)
    machine.lost()
    #expect(machine.state == .removed)
    #expect(!machine.mayRenew)

    var erased = opened()
    _ = erased.erased(underWay: 0)
    #expect(!erased.mayRenew)
  }

  @Test("It stays until all is settled that the positions of an erased user may still get")
  func erasedUnderWay() {
    var machine = opened(acked: 7)
    #expect(machine.erased(underWay: 2) == [])
    #expect(machine.moved(to: at(8), underWay: 1) == [])
    #expect(machine.moved(to: at(9), underWay: 0) == .removeNow)
    #expect(machine.moved(to: at(9), underWay: 0) == [], "it goes once")

    var closed = opened(acked: 7)
    _ = closed.closed(underWay: 1)
    #expect(closed.erased(underWay: 1) == [])
    #expect(closed.moved(to: at(9), underWay: 0) == [.remove, .removeNow])
  }

  @Test("Whoever erases the user is answered with a removal each time")
  func erasedAgain() {
    var machine = opened()
    #expect(machine.erased(underWay: 0) == .removeNow)
    #expect(machine.erased(underWay: 0) == .removeNow)
    #expect(machine.closed(underWay: 0) == .remove)
    #expect(machine.erased(underWay: 0) == .removeNow)
  }
}
