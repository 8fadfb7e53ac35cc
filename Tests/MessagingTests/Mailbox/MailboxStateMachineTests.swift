import ConnectProtocol
import TestSupport
import Testing

@testable import Messaging

@Suite("What is remembered of mailboxes, decided")
struct MailboxStateMachineTests {
  private let bob = UserName("bob")!

  private func machine(
    _ limits: MailboxLimits = .ageless(history: 10), remembering mailboxes: Int = 100
  ) -> MailboxStateMachine {
    MailboxStateMachine(limits: limits, remembering: mailboxes)
  }

  /// A write after which a mailbox has so many entries.
  private func write(_ entries: Int = 1, bytes: Int = 0, lengthAfter: Int) -> MailboxWrite {
    MailboxWrite(
      entries: entries, bytes: bytes, last: offset(UInt64(lengthAfter)), lengthBefore: nil,
      lengthAfter: lengthAfter)
  }

  /// An event of a mailbox.
  private enum Event: CaseIterable {
    case one
    case two
    /// Another writer comes between the length and the write.
    case interleaved
    /// One of two is found in the mailbox.
    case repeated
    case otherWrites
    case otherRemoves
    case trim
    case count
    case measure
    /// Others are written, and it is forgotten.
    case forget
  }

  /// A mailbox, and what may be known of it: not from its length, but from who did what.
  private struct World {
    var machine: MailboxStateMachine
    let user: UserName
    /// Sizes of the entries that are there.
    var entries: [Int] = []
    /// Offsets of all that ever were.
    var offsets = [Offset.zero]
    var isKnown = false
    /// Whether the writer knows the last offset.
    var isTopKnown = false
    var isMeasured = false
    /// Changes by others since the writer saw the length.
    var others = (writes: 0, removals: 0)
    /// Others wrote as many as they removed: what no length tells.
    var isBeyondTelling = false

    init(_ machine: MailboxStateMachine, _ user: UserName) {
      self.machine = machine
      self.user = user
    }

    mutating func happen(_ event: Event) {
      switch event {
      case .one: self.write(1)
      case .two: self.write(2)
      case .interleaved: self.write(2, isInterleaved: true)
      case .repeated: self.write(1, isRepeated: true)
      case .otherWrites: self.otherWrites()
      case .otherRemoves:
        guard !self.entries.isEmpty else { return }
        self.entries.removeFirst()
        self.others.removals += 1
      case .trim: self.trim()
      case .count:
        self.observe()
        self.machine.counted(self.entries.count, of: self.user)
      case .measure:
        self.machine.measured(bytes: self.entries.reduce(0, +), of: self.user)
        self.isMeasured = self.isKnown
      case .forget: self.forget()
      }
      if event != .otherWrites, event != .otherRemoves, event != .measure { self.check() }
    }

    /// Another size each time.
    private mutating func append() -> Offset {
      self.entries.append(100 + self.offsets.count)
      self.offsets.append(offset(UInt64(self.offsets.count)))
      return self.offsets.last!
    }

    private mutating func otherWrites() {
      _ = self.append()
      self.others.writes += 1
    }

    /// The writer sees the length.
    private mutating func observe() {
      guard self.others != (0, 0) else { return }
      if self.others.writes == self.others.removals { self.isBeyondTelling = true }
      self.others = (0, 0)
      self.isTopKnown = false
      self.isMeasured = false
    }

    private mutating func write(
      _ count: Int, isInterleaved: Bool = false, isRepeated: Bool = false
    ) {
      let plan = self.machine.plan(for: self.user, nowSeconds: 0)
      #expect(plan.readsLength == !self.isKnown)
      // Its length is seen now.
      if !self.isKnown { self.others = (0, 0) }
      let lengthBefore = self.isKnown ? nil : self.entries.count
      if isInterleaved { self.otherWrites() }
      let isAlone = self.others == (0, 0)
      let top = self.isTopKnown ? self.offsets.last! : .zero
      let first = self.offsets.count
      for _ in 0..<count { _ = self.append() }
      self.observe()
      let write = MailboxWrite(
        entries: count, bytes: self.entries.suffix(count).reduce(0, +),
        last: isRepeated ? .zero : self.offsets.last!, lengthBefore: lengthBefore,
        lengthAfter: self.entries.count)
      var chain = self.machine.wrote(write, to: self.user, nowSeconds: 0)
      guard !self.isBeyondTelling else { return }
      let isUnbroken = isAlone && !isRepeated
      var previous = isUnbroken ? top : .zero
      for offset in self.offsets[first...] {
        #expect(chain.append(offset) == previous)
        previous = isUnbroken ? offset : .zero
      }
      self.isKnown = true
      self.isTopKnown = isUnbroken
    }

    private mutating func trim() {
      let removed = self.entries.prefix(1)
      self.entries.removeFirst(removed.count)
      self.observe()
      let trim = MailboxTrim(
        length: self.entries.count, removed: removed.count, removedBytes: removed.reduce(0, +),
        hasCrowd: false)
      self.machine.trimmed(self.user, trim, maximum: 1, isLook: true)
    }

    private mutating func forget() {
      for name in ["eve", "mallory"] {
        let write = MailboxWrite(
          entries: 1, bytes: 0, last: offset(1), lengthBefore: 0, lengthAfter: 1)
        self.machine.wrote(write, to: UserName(name)!, nowSeconds: 0)
      }
      self.isKnown = false
      self.isTopKnown = false
      self.isMeasured = false
    }

    private func check() {
      guard !self.isBeyondTelling else { return }
      let mailbox = self.machine[self.user]
      #expect((mailbox != nil) == self.isKnown)
      guard let mailbox else { return }
      #expect(mailbox.top == (self.isTopKnown ? self.offsets.last! : .zero))
      #expect(mailbox.isMeasured == self.isMeasured)
      #expect(mailbox.length == self.entries.count)
      if self.isMeasured { #expect(mailbox.bytes == self.entries.reduce(0, +)) }
    }
  }

  private func explore(_ world: World, depth: Int, _ count: inout Int) {
    guard depth > 0 else { return }
    for event in Event.allCases {
      var next = world
      next.happen(event)
      count += 1
      if !next.isBeyondTelling { self.explore(next, depth: depth - 1, &count) }
    }
  }

  @Test("a push names its predecessor exactly if nobody else can have written since")
  func everySequence() {
    var count = 0
    self.explore(World(self.machine(remembering: 2), self.bob), depth: 5, &count)
    #expect(count > 50_000)
  }

  @Test("one that was forgotten during its batch breaks the chain, and is remembered again")
  func forgottenDuringBatch() {
    var machine = self.machine(remembering: 2)
    machine.wrote(self.write(lengthAfter: 1), to: self.bob, nowSeconds: 0)
    #expect(!machine.plan(for: self.bob, nowSeconds: 0).readsLength)
    for name in ["eve", "mallory"] {
      machine.wrote(self.write(lengthAfter: 1), to: UserName(name)!, nowSeconds: 0)
    }
    #expect(machine.wrote(self.write(lengthAfter: 2), to: self.bob, nowSeconds: 0) == .broken)
    #expect(
      machine.wrote(self.write(lengthAfter: 3), to: self.bob, nowSeconds: 0)
        == .unbroken(top: .zero))
  }

  @Test("a mailbox is looked after, and its expiry put off, at first and then once a day")
  func daily() {
    var machine = self.machine()
    let day = MessagingLimits.mailboxLookSeconds
    var length = 0
    for (nowSeconds, isDue) in [
      (5, true), (6, false), (4 + day, false), (5 + day, true), (6 + day, false),
      (4 + 2 * day, false), (9 + 2 * day, true),
    ] {
      let plan = machine.plan(for: self.bob, nowSeconds: nowSeconds)
      #expect(plan.putsOffExpiry == isDue)
      length += 1
      machine.wrote(self.write(lengthAfter: length), to: self.bob, nowSeconds: nowSeconds)
      #expect(machine.trimming.queue.isEmpty == !isDue)
      machine.lookAfterAll()
    }
  }

  @Test("a mailbox is looked after when it has grown by a step beyond its history, or its length")
  func growth() {
    var machine = self.machine()
    let step = MessagingLimits.mailboxLookEntries
    for (length, isDue) in [
      (1, true), (9 + step, false), (10 + step, true), (9 + 2 * step, false),
      (10 + 2 * step, true),
    ] {
      let entries = length - (machine[self.bob]?.length ?? 0)
      machine.wrote(self.write(entries, lengthAfter: length), to: self.bob, nowSeconds: 0)
      #expect(machine.trimming.queue.isEmpty == !isDue, "\(length)")
      #expect(!machine.plan(for: self.bob, nowSeconds: 0).putsOffExpiry)
      machine.lookAfterAll()
    }
    // From its length after trimming, too.
    let trim = MailboxTrim(length: 20, removed: 2 * step - 10, removedBytes: 0, hasCrowd: false)
    machine.trimmed(self.bob, trim, maximum: .max, isLook: true)
    for (length, isDue) in [(19 + step, false), (20 + step, true)] {
      let entries = length - (machine[self.bob]?.length ?? 0)
      machine.wrote(self.write(entries, lengthAfter: length), to: self.bob, nowSeconds: 0)
      #expect(machine.trimming.queue.isEmpty == !isDue, "\(length)")
    }
  }

  @Test("a mailbox that others have changed is looked after with the next write")
  func changed() {
    for change in 0..<3 {
      var machine = self.machine()
      machine.wrote(self.write(lengthAfter: 1), to: self.bob, nowSeconds: 0)
      machine.lookAfterAll()
      machine.counted(1, of: self.bob)
      #expect(!machine.plan(for: self.bob, nowSeconds: 0).putsOffExpiry)
      let trim = MailboxTrim(length: 1, removed: 1, removedBytes: 0, hasCrowd: false)
      switch change {
      case 0: machine.counted(7, of: self.bob)
      case 1: machine.trimmed(self.bob, trim, maximum: 2, isLook: true)
      default: break
      }
      #expect(machine.plan(for: self.bob, nowSeconds: 0).putsOffExpiry == (change < 2))
      machine.wrote(self.write(lengthAfter: 9), to: self.bob, nowSeconds: 0)
      #expect(!machine.trimming.queue.isEmpty)
    }
  }

  @Test("a mailbox for which the queue has no place stays due", arguments: [true, false])
  func noPlace(isStopped: Bool) {
    var machine = self.machine(remembering: 2 * MessagingLimits.mailboxesToTrim + 2)
    if isStopped {
      machine.trimming.stop()
    } else {
      for number in 0..<MessagingLimits.mailboxesToTrim {
        machine.wrote(self.write(lengthAfter: 1), to: UserName("u\(number)")!, nowSeconds: 0)
      }
    }
    for length in 1...2 {
      #expect(machine.plan(for: self.bob, nowSeconds: 0).putsOffExpiry)
      machine.wrote(self.write(lengthAfter: length), to: self.bob, nowSeconds: 0)
    }
    #expect(machine.plan(for: self.bob, nowSeconds: 0).putsOffExpiry)
    machine.lookAfterAll()
    machine.wrote(self.write(lengthAfter: 3), to: self.bob, nowSeconds: 0)
    #expect(machine.plan(for: self.bob, nowSeconds: 0).putsOffExpiry == isStopped)
  }

  @Test("a mailbox is looked after again while there may be more to remove or to measure")
  func unfinished() {
    for (removed, isLook, hasCrowd, isQueued) in [
      (5, true, false, true), (4, true, false, false), (4, true, true, true),
      (0, false, false, false), (1, false, false, true), (0, false, true, true),
    ] {
      var machine = self.machine()
      machine.wrote(self.write(9, lengthAfter: 9), to: self.bob, nowSeconds: 0)
      machine.lookAfterAll()
      let trim = MailboxTrim(
        length: 9 - removed, removed: removed, removedBytes: 0, hasCrowd: hasCrowd)
      machine.trimmed(UserName("eve")!, trim, maximum: 5, isLook: isLook)
      #expect(machine.trimming.queue.isEmpty, "nothing is known of it")
      machine.trimmed(self.bob, trim, maximum: 5, isLook: isLook)
      #expect(machine.trimming.queue.isEmpty == !isQueued)
    }
  }

  @Test("the entries of others count as of average size, until Redis is asked")
  func averageSize() {
    var machine = self.machine()
    machine.wrote(self.write(2, bytes: 200, lengthAfter: 2), to: self.bob, nowSeconds: 0)
    #expect(machine[self.bob]?.bytes == 200)
    machine.counted(6, of: self.bob)
    #expect(machine[self.bob]?.bytes == 600)
    machine.measured(bytes: 1_000, of: self.bob)
    machine.wrote(self.write(bytes: 100, lengthAfter: 7), to: self.bob, nowSeconds: 0)
    #expect(machine[self.bob]?.bytes == 1_100)
    let trim = MailboxTrim(length: 2, removed: 4, removedBytes: 500, hasCrowd: false)
    machine.trimmed(self.bob, trim, maximum: .max, isLook: true)
    #expect(machine[self.bob]?.bytes == 400)
    #expect(machine[self.bob]?.isMeasured == false)
    machine.counted(0, of: self.bob)
    #expect(machine[self.bob]?.bytes == 0)
    // Where none was, there is no average.
    machine.measured(bytes: 50, of: self.bob)
    machine.counted(3, of: self.bob)
    #expect(machine[self.bob]?.length == 3)
    #expect(machine[self.bob]?.bytes == 50)
  }

  @Test("sizes stay within what Redis can hold, and above nothing")
  func bounds() {
    var machine = self.machine()
    machine.wrote(self.write(lengthAfter: 1), to: self.bob, nowSeconds: 0)
    machine.measured(bytes: KnownMailbox.maximumBytes, of: self.bob)
    machine.counted(1_000, of: self.bob)
    #expect(machine[self.bob]?.bytes == KnownMailbox.maximumBytes)
    for length in [999, 998] {
      let trim = MailboxTrim(
        length: length, removed: 1, removedBytes: KnownMailbox.maximumBytes, hasCrowd: false)
      machine.trimmed(self.bob, trim, maximum: 5, isLook: true)
    }
    #expect(machine[self.bob]?.bytes == 0)
  }

  @Test("a mailbox has the room that its limits leave; of an unknown one nothing is said")
  func room() throws {
    var machine = self.machine(.ageless(entries: 3, bytes: 1_000, history: 1))
    let items = MailboxWriter.Item.messages(1...3)
    #expect(machine.room(of: self.bob) == nil)
    machine.wrote(self.write(lengthAfter: 1), to: self.bob, nowSeconds: 0)
    #expect(try #require(machine.room(of: self.bob)).fits(Array(items[..<2])))
    #expect(try !#require(machine.room(of: self.bob)).fits(items))
    machine.measured(bytes: 1_000 - items[0].envelope.bytes.count, of: self.bob)
    #expect(try #require(machine.room(of: self.bob)).fits(items[0]))
    #expect(try !#require(machine.room(of: self.bob)).fits(Array(items[..<2])))
  }
}

extension MailboxStateMachine {
  /// The looks that are due, and no others, although a look might find more.
  fileprivate mutating func lookAfterAll() {
    self.trimming.batchBegan()
    _ = self.trimming.batchEnded()
    while self.trimming.timerFired() != nil { _ = self.trimming.trimEnded() }
  }
}
