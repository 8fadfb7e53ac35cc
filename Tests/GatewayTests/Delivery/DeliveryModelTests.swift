import ConnectProtocol
import ConnectTestStand
import SeededRandom
import Testing

@testable import Gateway

/// A mailbox, the pushes and reads on their way, a client, and between them the machine. What
/// happens next is random; what the client sees must not be.
private struct Model {
  private struct Push {
    var previous: Offset
    var offset: Offset
  }

  private struct Read {
    var after: Offset
    var maximum: Int
    /// The answer of Redis, once it is there.
    var entries: [Offset]?
  }

  private(set) var mailbox: [Offset] = []
  private(set) var sent: [Offset] = []
  private(set) var lives = 0
  private(set) var rests = 0
  private var machine: DeliveryStateMachine
  private var pushes: [Push] = []
  private var read: Read?
  private var isWritable = true
  private var random: SplitMix64
  private let window: Int

  init(seed: UInt64) {
    self.random = SplitMix64(seed: seed)
    self.window = Int.random(in: 1...20, using: &self.random)
    // Some of the mailbox is from before this connection; some of that was acked.
    let before = UInt64.random(in: 0...40, using: &self.random)
    self.mailbox = (0..<before).map { at($0 + 1) }
    let acked = Int.random(in: 0...Int(before), using: &self.random)
    let start = acked == 0 ? Offset.zero : self.mailbox[acked - 1]
    self.machine = DeliveryStateMachine(start: start, window: self.window)
    self.sent = Array(self.mailbox[..<acked])
    self.requestPage()
  }

  var isCaughtUp: Bool { self.machine.state == .current }

  private mutating func chance(_ percent: Int) -> Bool {
    Int.random(in: 0..<100, using: &self.random) < percent
  }

  mutating func step() {
    self.rest()
    switch Int.random(in: 0..<100, using: &self.random) {
    case 0..<30: self.store()
    case 30..<60: self.deliverPush()
    case 60..<75: self.progressRead()
    case 75..<90: self.ack()
    case 90..<97: self.toggleWritability()
    default:
      self.machine.recheckMailbox()
      self.requestPage()
    }
    precondition(self.machine.unackedCount <= self.window)
  }

  /// Nothing more goes wrong, and the client acks everything.
  mutating func settle() {
    self.pushes = []
    // A read from before the last pushes were lost may still be on its way; the check comes after it.
    self.answerRead(failing: false)
    self.machine.recheckMailbox()
    for _ in 0..<1_000 where !(self.isCaughtUp && self.read == nil) {
      self.isWritable = true
      _ = self.machine.ack(self.machine.last)
      self.requestPage()
      self.answerRead(failing: false)
    }
  }

  /// Messaging stores a message and pushes it, mostly with the offset before.
  private mutating func store() {
    let previous = self.mailbox.last ?? .zero
    let step = UInt64.random(in: 1...3, using: &self.random)
    let offset = at(previous.milliseconds + step)
    self.mailbox.append(offset)
    self.pushes.append(Push(previous: self.chance(85) ? previous : .zero, offset: offset))
  }

  /// The push in front arrives; or it is lost, arrives twice, or another arrives before it.
  private mutating func deliverPush() {
    guard !self.pushes.isEmpty else { return }
    let index =
      self.chance(85) ? 0 : Int.random(in: 0..<self.pushes.count, using: &self.random)
    let push = self.pushes[index]
    if !self.chance(5) { self.pushes.remove(at: index) }
    if self.chance(5) { return }
    switch self.machine.pushed(
      previous: push.previous, offset: push.offset, canWrite: self.isWritable)
    {
    case .send: self.send(push.offset)
    case .skip: break
    case .fallBehind: self.requestPage()
    }
  }

  private mutating func send(_ offset: Offset) {
    self.machine.sent(offset, receipt: nil)
    self.sent.append(offset)
    if self.chance(5) { self.isWritable = false }
  }

  /// An idle connection forgets its machine, and makes another when something happens.
  private mutating func rest() {
    guard let rest = self.machine.rest else { return }
    self.rests += 1
    self.machine = DeliveryStateMachine(after: rest, window: self.window, reported: .zero)
  }

  private mutating func requestPage() {
    guard let maximum = self.machine.nextPage(canWrite: self.isWritable) else { return }
    precondition(self.read == nil, "one read at a time")
    self.read = Read(after: self.machine.last, maximum: maximum)
  }

  /// Redis executes the read; later, its answer arrives.
  private mutating func progressRead() {
    guard let read = self.read else { return self.requestPage() }
    if read.entries == nil, !self.chance(50) {
      self.execute()
    } else {
      self.answerRead(failing: self.chance(10))
    }
  }

  private mutating func execute() {
    guard let read = self.read, read.entries == nil else { return }
    self.read?.entries = Array(self.mailbox.filter { $0 > read.after }.prefix(read.maximum))
  }

  private mutating func answerRead(failing: Bool) {
    self.execute()
    guard let entries = self.read?.entries else { return }
    self.read = nil
    if failing { return self.machine.pageFailed() }
    var isComplete = true
    for offset in entries {
      guard self.machine.mayWrite(canWrite: self.isWritable) else {
        isComplete = false
        break
      }
      self.send(offset)
    }
    switch self.machine.pageEnded(entries: entries.count, isComplete: isComplete) {
    case .none: break
    case .more: self.requestPage()
    case .live: self.lives += 1
    }
  }

  private mutating func ack() {
    // Of something sent, or of anything at all.
    let offset =
      self.chance(80)
      ? self.sent.randomElement(using: &self.random) ?? .zero
      : at(UInt64.random(in: 0...200, using: &self.random))
    if self.machine.ack(offset) != nil { self.requestPage() }
  }

  private mutating func toggleWritability() {
    self.isWritable.toggle()
    if self.isWritable { self.requestPage() }
  }
}

@Suite("Delivery, whatever is lost, repeated, reordered, delayed or blocked")
struct DeliveryModelTests {
  @Test("sends the mailbox in order and once, says live once, and ends caught up")
  func model() async {
    var rests = 0
    for seed in 0..<2_000 as Range<UInt64> {
      if seed % 50 == 0 { await Task.yield() }
      var model = Model(seed: seed)
      for _ in 0..<200 {
        model.step()
      }
      model.settle()
      rests += model.rests
      let (isCaughtUp, sent, mailbox) = (model.isCaughtUp, model.sent, model.mailbox)
      #expect(isCaughtUp, "seed \(seed)")
      #expect(sent.elementsEqual(mailbox), "seed \(seed)")
      #expect(model.lives == 1, "seed \(seed)")
      if !isCaughtUp || sent != mailbox { return }
    }
    #expect(rests > 2_000)
  }
}
