import ConnectClient
import ConnectProtocol
import NIOCore
import NIOPosix

/// A client that reads nothing from its socket until it is told to, and then everything.
///
/// Unchecked: touched on its event loop only; the public entries hop there.
final class SilentReader: ConnectClientConnectionDelegate, @unchecked Sendable {
  private let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
  private var connection: ConnectClientConnection?
  private var isLive = false
  private var count = 0
  private var disorder = 0
  private var last = -1
  private var lastOffset = Offset.zero
  private var ended: EndedConnection?

  /// Its progress.
  struct Progress: Sendable {
    var isLive: Bool
    var count: Int
    /// Messages whose number is not above the one before.
    var disorder: Int
    var ended: EndedConnection?
  }

  func open(_ endpoint: ConnectEndpoint, token: String) {
    self.eventLoop.execute {
      self.connection = ConnectClientConnection.open(
        to: endpoint, token: token, on: self.eventLoop, delegate: self)
    }
  }

  func read() { self.eventLoop.execute { self.connection?.setReading(true) } }

  func close() { self.eventLoop.execute { self.connection?.close() } }

  func progress() async throws -> Progress {
    try await self.eventLoop.submit {
      Progress(
        isLive: self.isLive, count: self.count, disorder: self.disorder, ended: self.ended)
    }.get()
  }

  func received(
    _ frame: ServerFrame, payload: ByteBuffer, on connection: ConnectClientConnection
  ) {
    switch frame {
    case .live:
      if !self.isLive { connection.setReading(false) }
      self.isLive = true
    case .message(let message):
      self.count += 1
      let number = Int(message.id.text) ?? -1
      if number <= self.last || message.offset <= self.lastOffset { self.disorder += 1 }
      self.last = number
      self.lastOffset = message.offset
    default: break
    }
  }

  func readCompleted(on connection: ConnectClientConnection) {
    connection.acknowledge(self.lastOffset)
  }

  func ended(_ ended: EndedConnection, _ connection: ConnectClientConnection) {
    self.ended = ended
    self.connection = nil
  }
}
