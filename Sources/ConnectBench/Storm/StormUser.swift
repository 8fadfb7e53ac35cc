import ConnectClient
import ConnectProtocol
import NIOCore

/// A user who only stays connected: when the connection ends, it waits and connects again as the client for
/// apps does (``ReconnectStateMachine``), with the token that it has.
///
/// Bound to the event loop of its ``StormCrowd``.
final class StormUser: ConnectClientConnectionDelegate {
  private let crowd: StormCrowd
  private let token: String
  private var connection: ConnectClientConnection?
  private var reconnecting = ReconnectStateMachine(reconnectsAfterNormalClose: true)
  private var isLive = false
  /// Whether it has ended its connection, to come back.
  private var isCut = false
  /// Whether it has come back since the storm began.
  var isBack = false
  private var isClosing = false

  init(_ crowd: StormCrowd, token: String) {
    self.crowd = crowd
    self.token = token
  }

  func open() {
    guard !self.isClosing, self.reconnecting.connect() else { return }
    self.crowd.attempted()
    self.connection = ConnectClientConnection.open(
      to: self.crowd.endpoint(), token: self.token, on: self.crowd.eventLoop, delegate: self)
  }

  /// Ends the socket.
  func abort() {
    self.isCut = true
    self.connection?.abort()
  }

  func close() {
    self.isClosing = true
    self.connection?.close()
  }

  func received(
    _ frame: ServerFrame, payload: ByteBuffer, on connection: ConnectClientConnection
  ) {
    guard case .live = frame else { return }
    self.isLive = true
    self.crowd.came(self)
  }

  func ended(_ ended: EndedConnection, _ connection: ConnectClientConnection) {
    self.connection = nil
    guard !self.isClosing else { return }
    var ended = ended
    // Else it would count as closed by the app, which wants no other one.
    if self.isCut { ended.end = .lost("closed by the client") }
    self.isCut = false
    self.crowd.left(ended, wasLive: self.isLive)
    self.isLive = false
    var random = SystemRandomNumberGenerator()
    switch self.reconnecting.ended(ended, using: &random) {
    case .wait(let milliseconds):
      self.crowd.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(milliseconds)) {
        self.open()
      }
    case .stop:
      self.crowd.gaveUp(ended)
    }
  }
}
