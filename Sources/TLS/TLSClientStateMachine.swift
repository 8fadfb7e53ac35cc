/// How far a connection is, and what follows from what happens to it.
///
/// Pure: it holds no OpenSSL, no channel and no clock.
struct TLSClientStateMachine: ~Copyable {
  enum State {
    /// The channel is not active yet. May become `.handshaking` or `.closed`.
    case waiting
    /// Writes are held back. May become `.open` or `.closed`.
    case handshaking
    /// Plaintext passes both ways. May become `.closed`.
    case open
    /// Nothing passes any more. Final.
    case closed
  }

  private(set) var state = State.waiting
  /// Whether any ciphertext came from the server.
  private var hasAnswer = false
  /// Whether any plaintext came from the server.
  private var hasPlaintext = false
  /// Whether a read was requested that has not been answered with plaintext.
  private var owesRead = false

  // MARK: Coming and going

  /// Returns whether to begin the handshake.
  mutating func activate() -> Bool {
    guard case .waiting = self.state else { return false }
    self.state = .handshaking
    return true
  }

  mutating func handshakeDone() {
    guard case .handshaking = self.state else { preconditionFailure("no handshake to be done") }
    self.state = .open
  }

  enum CloseAction {
    /// Send close_notify, then close.
    case shutDown
    /// Give up the handshake for this reason, then close.
    case abandon(TLSFailure)
    /// Close: there is nothing left to send.
    case close
  }

  /// Our side wants to close.
  mutating func close() -> CloseAction {
    defer { self.state = .closed }
    switch self.state {
    case .waiting, .handshaking:
      return .abandon(.closedDuringHandshake(answered: self.hasAnswer, cause: nil))
    case .open: return .shutDown
    case .closed: return .close
    }
  }

  /// Returns false if it was closed already.
  mutating func fail() -> Bool {
    if case .closed = self.state { return false }
    self.state = .closed
    return true
  }

  /// The server sent close_notify. Returns whether to send it too, and close.
  mutating func peerClosed() -> Bool {
    guard case .open = self.state else { return false }
    self.state = .closed
    return true
  }

  /// The stream ended, and the server had not said farewell. What to report, if that is news.
  ///
  /// - Parameters:
  ///   - cause: Why it ended, if the system says.
  ///   - wasAskedInVain: The server has asked for a client certificate, and there was none. In TLS
  ///     1.3 it refuses only after our handshake is done, by an alert that is lost when our first
  ///     bytes meet a closed socket. A server that takes clients without a certificate, too, would
  ///     have answered them.
  mutating func streamEnded(cause: String?, wasAskedInVain: Bool) -> TLSFailure? {
    defer { self.state = .closed }
    switch self.state {
    case .waiting, .handshaking:
      return .closedDuringHandshake(answered: self.hasAnswer, cause: cause)
    case .open:
      if wasAskedInVain, !self.hasPlaintext { return .clientCertificateMissing }
      return .truncated(anythingReceived: self.hasPlaintext, cause: cause)
    case .closed: return nil
    }
  }

  // MARK: Writing

  enum WriteAction {
    /// Keep it for the next flush.
    case keep
    /// Too many bytes would wait for the handshake.
    case overflow
    /// It cannot be sent any more.
    case refuse
  }

  /// - Parameter pendingBytes: Bytes that wait already.
  func write(bytes: Int, pendingBytes: Int) -> WriteAction {
    switch self.state {
    case .waiting, .handshaking:
      bytes <= TLSLimits.maximumHeldBackBytes - pendingBytes ? .keep : .overflow
    case .open: .keep
    case .closed: .refuse
    }
  }

  var isOpen: Bool { if case .open = self.state { true } else { false } }

  // MARK: Reading

  /// Notes that ciphertext came.
  mutating func received() { self.hasAnswer = true }

  /// Call it before plaintext is passed on.
  mutating func delivered() {
    self.hasPlaintext = true
    self.owesRead = false
  }

  mutating func readRequested() { self.owesRead = true }

  /// Whether the channel is to read more, now that all that came is decrypted: for the handshake,
  /// which nobody else asks for, or since all that came was half a record or for TLS itself.
  func readsAgain() -> Bool {
    switch self.state {
    case .handshaking: true
    case .open: self.owesRead
    case .waiting, .closed: false
    }
  }
}
