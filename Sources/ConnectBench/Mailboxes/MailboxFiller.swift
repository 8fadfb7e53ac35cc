import ConnectClient
import ConnectProtocol
import NIOCore

/// Writers who fill the mailboxes of users who are offline, as fast as their messages are accepted.
///
/// Unchecked: touched on its event loop only.
final class MailboxFiller: @unchecked Sendable {
  /// What becomes of the messages of one call, and what has failed so far.
  struct Progress: Sendable {
    var accepted = 0
    var failure: String?
  }

  let eventLoop: any EventLoop
  let body: ByteBuffer
  private var writers: [FillingWriter] = []
  private(set) var live = 0
  private var total = 0
  private var next = 0
  private var recipient: (Int) -> UserName = { _ in UserName("nobody")! }
  private(set) var progress = Progress()

  init(eventLoop: any EventLoop, bodyBytes: Int) {
    self.eventLoop = eventLoop
    self.body = BenchRun.body(bytes: bodyBytes)
  }

  func open(_ endpoint: ConnectEndpoint, token: String) {
    let writer = FillingWriter(self)
    self.writers.append(writer)
    writer.open(endpoint, token: token)
  }

  /// Writes so many messages.
  ///
  /// - Parameter recipient: of each, by its number from 0.
  func fill(_ count: Int, recipient: @escaping (Int) -> UserName) {
    self.total = count
    self.next = 0
    // A writer that was lost since the last call is still lost.
    self.progress.accepted = 0
    self.recipient = recipient
    for _ in 0..<MailboxLimits.fillWindow {
      for writer in self.writers { self.writeNext(by: writer) }
    }
  }

  func close() { for writer in self.writers { writer.close() } }

  // MARK: What writers say

  func opened() { self.live += 1 }

  func accepted(by writer: FillingWriter) {
    self.progress.accepted += 1
    self.writeNext(by: writer)
  }

  func failed(_ failure: String) {
    if self.progress.failure == nil { self.progress.failure = failure }
  }

  private func writeNext(by writer: FillingWriter) {
    guard self.next < self.total else { return }
    self.next += 1
    writer.write(self.next - 1, to: self.recipient(self.next - 1))
  }
}

/// One of the writers.
///
/// Bound to the event loop of its ``MailboxFiller``.
final class FillingWriter: ConnectClientConnectionDelegate {
  private let filler: MailboxFiller
  private var connection: ConnectClientConnection?
  private var attempts = OpeningAttempts()
  private var openAgain: (() -> Void)?
  private var isClosing = false

  init(_ filler: MailboxFiller) { self.filler = filler }

  func open(_ endpoint: ConnectEndpoint, token: String) {
    self.openAgain = { [unowned self] in self.open(endpoint, token: token) }
    self.connection = ConnectClientConnection.open(
      to: endpoint, token: token, on: self.filler.eventLoop, delegate: self)
  }

  func write(_ number: Int, to recipient: UserName) {
    self.connection?.send(id: MessageID("\(number)")!, to: recipient, body: self.filler.body)
  }

  func close() {
    self.isClosing = true
    self.connection?.close()
  }

  func received(
    _ frame: ServerFrame, payload: ByteBuffer, on connection: ConnectClientConnection
  ) {
    switch frame {
    case .live: self.filler.opened()
    case .accepted: self.filler.accepted(by: self)
    // Nothing limits these users: what is rejected means that something is wrong.
    case .rejected(let rejected): self.filler.failed("rejected \(rejected.code)")
    default: break
    }
  }

  func ended(_ ended: EndedConnection, _ connection: ConnectClientConnection) {
    self.connection = nil
    if self.isClosing { return }
    let isOpening = self.attempts.openAgain(after: ended, on: self.filler.eventLoop) {
      if !self.isClosing { self.openAgain?() }
    }
    if !isOpening { self.filler.failed("a writer's connection ended: \(ended.end)") }
  }
}
