import SeededRandom
import Testing

@testable import HTTPServer

@Suite("A connection that serves requests")
struct HTTPServingStateMachineTests {
  typealias Head = HTTPServingStateMachine.Head

  private func machine() -> HTTPServingStateMachine { HTTPServingStateMachine(bodyBytes: 10) }

  @Test("answers a request at its end, and then takes the next")
  func keepAlive() {
    var machine = self.machine()
    for _ in 0..<3 {
      machine.heard()
      #expect(machine.state == .head)
      #expect(machine.headCame(Head(hasBody: true, bodyBytes: 10)) == .none)
      #expect(machine.bodyCame(4) == .none)
      #expect(machine.bodyCame(6) == .none)
      #expect(machine.isReading)
      #expect(machine.endCame() == .answer)
      #expect(!machine.isReading)
      var isFound = machine.found()
      #expect(isFound)
      isFound = machine.found()
      #expect(!isFound)
      #expect(!machine.endsConnection)
      #expect(machine.written() == .none)
      #expect(machine.state == .idle)
    }
  }

  @Test("ends with the request that says so, when its answer is written")
  func last() {
    var machine = self.machine()
    #expect(machine.headCame(Head(isLast: true)) == .none)
    #expect(machine.endCame() == .answer)
    let isFound = machine.found()
    #expect(isFound)
    #expect(machine.endsConnection)
    #expect(machine.written() == .finish)
    #expect(machine.state == .lingering)
    #expect(machine.isReading)
    #expect(machine.headCame(Head()) == .none)
    #expect(machine.bodyCame(100) == .none)
    #expect(machine.endCame() == .none)
    #expect(machine.timePassed() == .close)
  }

  @Test("asks for a body that waits for a word, and takes it")
  func expectation() {
    var machine = self.machine()
    let head = Head(hasBody: true, bodyBytes: 3, expectsContinue: true)
    #expect(machine.headCame(head) == .sendContinue)
    #expect(machine.bodyCame(3) == .none)
    #expect(machine.endCame() == .answer)
    // Nothing would follow.
    var other = self.machine()
    #expect(other.headCame(Head(expectsContinue: true)) == .none)
  }

  @Test("refuses at once, and for good, where what follows cannot be told or is too much")
  func refusedAtOnce() {
    for head in [
      Head(hasBody: true, bodyBytes: 3, expectsContinue: true, isRefused: true),
      Head(hasBody: true, bodyBytes: 11, isRefused: true),
    ] {
      var machine = self.machine()
      #expect(machine.headCame(head) == .refuse)
      #expect(machine.endsConnection)
      #expect(machine.written() == .finish)
    }
    var machine = self.machine()
    #expect(machine.headCame(Head(hasBody: true, bodyBytes: 11)) == .fault(.bodyTooLarge))
    #expect(machine.endsConnection)
  }

  @Test("drops a body that nobody wants, refuses at its end, and goes on")
  func discarded() {
    var machine = self.machine()
    #expect(machine.headCame(Head(hasBody: true, bodyBytes: 10, isRefused: true)) == .none)
    #expect(machine.bodyCame(10) == .none)
    #expect(machine.endCame() == .refuse)
    #expect(machine.written() == .none)
    #expect(machine.state == .idle)
  }

  @Test("bounds a body whose length was not told", arguments: [false, true])
  func chunked(isRefused: Bool) {
    var machine = self.machine()
    #expect(machine.headCame(Head(hasBody: true, isRefused: isRefused)) == .none)
    #expect(machine.bodyCame(10) == .none)
    #expect(machine.bodyCame(1) == (isRefused ? .refuse : .fault(.bodyTooLarge)))
    #expect(machine.endsConnection)
  }

  @Test("says so when a request does not come in time, and nothing where none has begun")
  func slow() {
    var idle = self.machine()
    #expect(idle.timePassed() == .close)
    var head = self.machine()
    head.heard()
    #expect(head.timePassed() == .fault(.tooSlow))
    var body = self.machine()
    _ = body.headCame(Head(hasBody: true, bodyBytes: 3))
    #expect(body.timePassed() == .fault(.tooSlow))
    #expect(body.written() == .finish)
    var answer = self.machine()
    _ = answer.headCame(Head())
    _ = answer.endCame()
    #expect(answer.timePassed() == .fault(.unanswered))
    // The answer comes after all.
    let isFound = answer.found()
    #expect(!isFound)
    #expect(answer.timePassed() == .close)
  }

  @Test("answers what is not a request, and ends")
  func malformed() {
    var machine = self.machine()
    machine.heard()
    #expect(machine.failed(.malformed) == .fault(.malformed))
    #expect(machine.failed(.malformed) == .close)
    #expect(machine.failed(.malformed) == .none)
  }

  @Test("is stopped at once where it idles, else behind its answer")
  func stop() {
    var idle = self.machine()
    #expect(idle.stop() == .close)
    var busy = self.machine()
    _ = busy.headCame(Head())
    #expect(busy.stop() == .none)
    _ = busy.endCame()
    _ = busy.found()
    #expect(busy.endsConnection)
    #expect(busy.written() == .finish)
  }

  @Test("never answers twice, nor without a request, whatever happens in whatever order")
  func model() async {
    var generator = SplitMix64(seed: 7)
    for round in 0..<20_000 {
      if round % 50 == 0 { await Task.yield() }
      var machine = self.machine()
      var isAnswering = false
      var isWriting = false
      for _ in 0..<20 {
        let action: HTTPServingStateMachine.Action
        switch Int.random(in: 0...9, using: &generator) {
        case 0:
          machine.heard()
          action = .none
        case 1:
          action = machine.headCame(
            Head(
              hasBody: .random(using: &generator),
              bodyBytes: [nil, 3, 11].randomElement(using: &generator)!,
              expectsContinue: .random(using: &generator), isLast: .random(using: &generator),
              isRefused: .random(using: &generator)))
        case 2: action = machine.bodyCame(Int.random(in: 0...6, using: &generator))
        case 3, 4: action = machine.endCame()
        case 5: action = machine.failed(.malformed)
        case 6:
          let isFound = machine.found()
          #expect(!isFound || (isAnswering && !isWriting))
          if isFound {
            isAnswering = false
            isWriting = true
          }
          action = .none
        case 7:
          action = machine.written()
          if action == .finish || machine.state == .idle { isWriting = false }
        case 8: action = machine.timePassed()
        default: action = machine.stop()
        }
        switch action {
        case .answer:
          #expect(!isAnswering && !isWriting)
          isAnswering = true
        case .refuse, .fault:
          #expect(!isWriting)
          isAnswering = false
          isWriting = true
        case .close: #expect(machine.state == .closed)
        case .finish: #expect(machine.state == .lingering)
        case .none, .sendContinue: break
        }
        #expect(machine.isReading == !(machine.state == .answering || machine.state == .writing))
      }
    }
  }
}
