import Testing

@testable import TLS

@Suite("The decisions about a connection")
struct StateMachineTests {
  private func machine(_ prepare: (inout TLSClientStateMachine) -> Void) -> TLSClientStateMachine {
    var machine = TLSClientStateMachine()
    prepare(&machine)
    return machine
  }

  private func open(_ machine: inout TLSClientStateMachine) {
    _ = machine.activate()
    machine.received()
    machine.handshakeDone()
  }

  @Test("begin the handshake once")
  func begin() {
    var machine = TLSClientStateMachine()
    expect(machine.activate())
    expect(!machine.activate())
    machine.handshakeDone()
    expect(machine.isOpen)
    expect(!machine.activate())
  }

  @Test("fail the handshake when the stream ends, and know whether anything had come")
  func endDuringHandshake() {
    var silent = machine { _ = $0.activate() }
    expect(
      silent.streamEnded(cause: "reset", wasAskedInVain: false)
        == .closedDuringHandshake(answered: false, cause: "reset"))
    var answered = machine {
      _ = $0.activate()
      $0.received()
    }
    expect(
      answered.streamEnded(cause: nil, wasAskedInVain: true)
        == .closedDuringHandshake(answered: true, cause: nil))
    expect(answered.streamEnded(cause: nil, wasAskedInVain: true) == nil)
  }

  @Test("take an end without farewell for a truncation")
  func truncation() {
    var machine = machine(open)
    machine.delivered()
    expect(
      machine.streamEnded(cause: nil, wasAskedInVain: true)
        == .truncated(anythingReceived: true, cause: nil))
    expect(!machine.isOpen)
  }

  @Test("take an end before the first byte for a missing certificate, if one was asked for")
  func missingCertificate() {
    var asked = machine(open)
    expect(asked.streamEnded(cause: nil, wasAskedInVain: true) == .clientCertificateMissing)
    var notAsked = machine(open)
    expect(
      notAsked.streamEnded(cause: nil, wasAskedInVain: false)
        == .truncated(anythingReceived: false, cause: nil))
  }

  @Test("say farewell once, and only after a handshake")
  func farewell() {
    var machine = machine(open)
    guard case .shutDown = machine.close() else {
      Issue.record("no farewell")
      return
    }
    guard case .close = machine.close() else {
      Issue.record("a second farewell")
      return
    }
    expect(machine.streamEnded(cause: nil, wasAskedInVain: true) == nil)
    expect(!machine.peerClosed() && !machine.fail())
    var early = self.machine { _ = $0.activate() }
    guard case .abandon(.closedDuringHandshake(answered: false, cause: nil)) = early.close() else {
      Issue.record("a farewell without a handshake")
      return
    }
  }

  @Test("answer the server's farewell once")
  func peersFarewell() {
    var machine = machine(open)
    expect(machine.peerClosed())
    expect(!machine.peerClosed())
    expect(machine.streamEnded(cause: nil, wasAskedInVain: false) == nil)
  }

  @Test("hold back so much and no more")
  func holdingBack() {
    let machine = machine { _ = $0.activate() }
    let limit = TLSLimits.maximumHeldBackBytes
    guard case .keep = machine.write(bytes: limit, pendingBytes: 0) else {
      Issue.record("too little is held back")
      return
    }
    guard case .overflow = machine.write(bytes: 1, pendingBytes: limit) else {
      Issue.record("too much is held back")
      return
    }
    let open = self.machine(open)
    guard case .keep = open.write(bytes: 1, pendingBytes: limit) else {
      Issue.record("an open connection holds back")
      return
    }
    let closed = self.machine { _ = $0.fail() }
    guard case .refuse = closed.write(bytes: 1, pendingBytes: 0) else {
      Issue.record("a closed connection takes something")
      return
    }
  }

  @Test("read by themselves for the handshake, and for a wish that was not met")
  func reading() {
    let handshaking = machine { _ = $0.activate() }
    expect(handshaking.readsAgain())
    var machine = machine(open)
    expect(!machine.readsAgain())
    machine.readRequested()
    expect(machine.readsAgain())
    machine.delivered()
    expect(!machine.readsAgain())
    machine.readRequested()
    _ = machine.fail()
    expect(!machine.readsAgain())
  }
}

/// The macro takes the parts of an expression apart, and would copy the machine, which cannot be.
private func expect(_ holds: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
  #expect(holds, sourceLocation: sourceLocation)
}
