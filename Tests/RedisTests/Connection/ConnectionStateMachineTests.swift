import Testing

@testable import Redis

@Suite("What a connection owes")
struct ConnectionStateMachineTests {
  /// Actions as values that can be compared.
  enum Action: Equatable {
    case write(isFirst: Bool)
    case refuse(RedisError)
    case wait
    case complete(String, commands: Int, next: String?)
    case unexpected
  }

  /// The state machine with its actions turned into values; a class, so that #expect can hold it.
  final class Machine {
    private var machine: RedisConnectionStateMachine<String>

    init(maximumUnansweredBytes: Int = 1_000) {
      self.machine = RedisConnectionStateMachine(maximumUnansweredBytes: maximumUnansweredBytes)
    }

    func submit(
      _ name: String, commands: Int = 1, bytes: Int = 10, deadline: UInt64 = 100
    ) -> Action {
      switch self.machine.submit(name, commands: commands, bytes: bytes, deadline: deadline) {
      case .write(let isFirst): .write(isFirst: isFirst)
      case .refuse(let error): .refuse(error)
      }
    }

    func reply() -> Action {
      switch self.machine.replyReceived() {
      case .wait: .wait
      case .complete(let request, let commands, let next):
        .complete(request, commands: commands, next: next)
      case .unexpected: .unexpected
      }
    }

    var nextDeadline: UInt64? { self.machine.nextDeadline }
    var isOpen: Bool { self.machine.isOpen }
    var closeReason: RedisError? { self.machine.closeReason }

    func isOverdue(now: UInt64) -> Bool { self.machine.isOverdue(now: now) }

    func close(_ reason: RedisError) -> [String] {
      self.machine.close(reason).map { "\($0.0):\($0.commands)" }
    }
  }

  @Test("says of the first batch only that its replies come next")
  func first() {
    let machine = Machine()
    #expect(machine.submit("a") == .write(isFirst: true))
    #expect(machine.submit("b") == .write(isFirst: false))
    #expect(machine.submit("c") == .write(isFirst: false))
    #expect(machine.reply() == .complete("a", commands: 1, next: "b"))
    #expect(machine.submit("d") == .write(isFirst: false))
    #expect(machine.reply() == .complete("b", commands: 1, next: "c"))
    #expect(machine.reply() == .complete("c", commands: 1, next: "d"))
    #expect(machine.reply() == .complete("d", commands: 1, next: nil))
    #expect(machine.submit("e") == .write(isFirst: true))
  }

  @Test("completes batches in order, each after exactly as many replies as it has commands")
  func order() {
    let sizes = [1, 2, 3, 1, 7]
    let machine = Machine()
    for (index, size) in sizes.enumerated() {
      _ = machine.submit("\(index)", commands: size)
    }
    for (index, size) in sizes.enumerated() {
      for _ in 1..<size { #expect(machine.reply() == .wait) }
      let next = index + 1 < sizes.count ? "\(index + 1)" : nil
      #expect(machine.reply() == .complete("\(index)", commands: size, next: next))
    }
    #expect(machine.reply() == .unexpected)
  }

  @Test("takes no reply that nobody asked for, before, between and after batches")
  func unexpected() {
    let machine = Machine()
    #expect(machine.reply() == .unexpected)
    _ = machine.submit("a")
    _ = machine.reply()
    #expect(machine.reply() == .unexpected)
    _ = machine.close(.unanswered("gone"))
    #expect(machine.reply() == .unexpected)
  }

  @Test("is bounded in bytes, to the byte, and takes more as soon as a batch is answered")
  func bytes() {
    let machine = Machine(maximumUnansweredBytes: 100)
    #expect(machine.submit("a", bytes: 60) == .write(isFirst: true))
    #expect(machine.submit("b", bytes: 40) == .write(isFirst: false))
    #expect(
      machine.submit("c", bytes: 1)
        == .refuse(.unavailable("100 bytes of commands are unanswered")))
    _ = machine.reply()
    #expect(machine.submit("d", bytes: 60) == .write(isFirst: false))
    #expect(
      machine.submit("e", bytes: 1)
        == .refuse(.unavailable("100 bytes of commands are unanswered")))
    // What was refused owes nothing.
    #expect(machine.reply() == .complete("b", commands: 1, next: "d"))
    #expect(machine.reply() == .complete("d", commands: 1, next: nil))
  }

  @Test("takes one batch above the bound when nothing else is under way")
  func large() {
    let machine = Machine(maximumUnansweredBytes: 100)
    #expect(machine.submit("a", bytes: 1_000) == .write(isFirst: true))
    #expect(
      machine.submit("b", bytes: 1)
        == .refuse(.unavailable("1000 bytes of commands are unanswered")))
    _ = machine.reply()
    #expect(machine.submit("c", bytes: 1) == .write(isFirst: true))
    #expect(
      machine.submit("d", bytes: .max - 1)
        == .refuse(.unavailable("1 bytes of commands are unanswered")))
  }

  @Test("is overdue exactly from the deadline of the batch in front")
  func deadlines() {
    let machine = Machine()
    #expect(machine.nextDeadline == nil)
    #expect(!machine.isOverdue(now: .max))
    _ = machine.submit("a", commands: 2, deadline: 100)
    _ = machine.submit("b", deadline: 50)
    #expect(machine.nextDeadline == 100)
    #expect(!machine.isOverdue(now: 99))
    #expect(machine.isOverdue(now: 100))
    _ = machine.reply()
    #expect(machine.nextDeadline == 100)
    _ = machine.reply()
    #expect(machine.nextDeadline == 50)
    #expect(machine.isOverdue(now: 50))
    _ = machine.reply()
    #expect(machine.nextDeadline == nil)
  }

  @Test("gives back what was unanswered, in order, once")
  func close() {
    let machine = Machine()
    _ = machine.submit("a", commands: 1)
    _ = machine.submit("b", commands: 3)
    _ = machine.submit("c", commands: 2)
    _ = machine.reply()
    _ = machine.reply()
    #expect(machine.isOpen)
    #expect(machine.closeReason == nil)
    #expect(machine.close(.unanswered("gone")) == ["b:3", "c:2"])
    #expect(!machine.isOpen)
    #expect(machine.close(.unanswered("again")) == [])
    #expect(machine.closeReason == .unanswered("gone"))
    #expect(machine.nextDeadline == nil)
    #expect(!machine.isOverdue(now: .max))
  }

  @Test(
    "refuses what comes after its end as never sent, whatever ended it",
    arguments: [
      RedisError.unanswered("gone"), .unavailable("gone"),
      .server(RedisServerError("WRONGPASS gone")), .unexpectedReply("gone"),
    ])
  func refused(reason: RedisError) throws {
    let machine = Machine()
    _ = machine.close(reason)
    guard case .refuse(let error) = machine.submit("a") else {
      Issue.record("was taken")
      return
    }
    #expect(error.isUnavailable)
    #expect(!error.mayHaveBeenExecuted)
    #expect(error.description.contains("gone"))
  }

  /// Walks all sequences of up to seven events against a model that is a plain list.
  @Test("agrees with a plain list in every sequence of events")
  func exhaustive() {
    enum Event: CaseIterable { case submitOne, submitTwo, submitBig, reply, close }
    struct Model {
      var owed: [(name: String, left: Int, commands: Int, bytes: Int)] = []
      var isClosed = false
    }
    var sequences: [[Event]] = [[]]
    for _ in 0..<7 {
      sequences = sequences.flatMap { head in Event.allCases.map { head + [$0] } }
    }
    var mismatches = 0
    for sequence in sequences {
      let machine = Machine(maximumUnansweredBytes: 100)
      var model = Model()
      for (index, event) in sequence.enumerated() {
        let name = "\(index)"
        switch event {
        case .submitOne, .submitTwo, .submitBig:
          let commands = event == .submitTwo ? 2 : 1
          let bytes = event == .submitBig ? 101 : 40
          let action = machine.submit(name, commands: commands, bytes: bytes)
          let sum = model.owed.reduce(0) { $0 + $1.bytes }
          if model.isClosed || (!model.owed.isEmpty && sum + bytes > 100) {
            guard case .refuse(let error) = action, error.isUnavailable else {
              mismatches += 1
              continue
            }
          } else {
            if action != .write(isFirst: model.owed.isEmpty) { mismatches += 1 }
            model.owed.append((name, commands, commands, bytes))
          }
        case .reply:
          let action = machine.reply()
          if model.isClosed || model.owed.isEmpty {
            if action != .unexpected { mismatches += 1 }
          } else if model.owed[0].left > 1 {
            model.owed[0].left -= 1
            if action != .wait { mismatches += 1 }
          } else {
            let done = model.owed.removeFirst()
            let expected = Action.complete(
              done.name, commands: done.commands, next: model.owed.first?.name)
            if action != expected { mismatches += 1 }
          }
        case .close:
          let unanswered = machine.close(.unanswered("gone"))
          let expected = model.isClosed ? [] : model.owed.map { "\($0.name):\($0.commands)" }
          if unanswered != expected { mismatches += 1 }
          model.owed = []
          model.isClosed = true
        }
      }
    }
    #expect(mismatches == 0)
  }
}
