import ConnectClient
import ConnectProtocol
import Foundation
import NIOCore
import Synchronization

/// One device of a user, whose client stays connected. It reports what it shows to the ledger.
final class ChatDevice: Sendable {
  /// How a device handles messages.
  enum Manner: Sendable {
    /// Immediately.
    case prompt
    /// With a long pause now and then: always late.
    case late
    /// Immediately, but it comes at the end, when the mailbox has been trimmed.
    case newcomer
  }

  private struct State {
    var client: ConnectClient?
    var isConnected = false
    /// When the connection was welcomed, in milliseconds since 1970 by the bus's clock.
    var welcomed: UInt64 = 0
    /// Whether the connection was shown all that the mailbox had.
    var isLive = false
    var isWanted = true
    var isClosed = false
    var isHurried = false
    /// An app would keep both across restarts.
    var lastShown: Offset?
    var shown = ShownEntries()
    /// An app would keep these, too: the stamp of the last position, and what it said was read while no
    /// position has confirmed that.
    var stamp: UInt64 = 0
    var reads: [UserName: [Bool: Offset]] = [:]
    /// Time at which the connection was lost; nil while it is live, or not wanted.
    var awaySince: ContinuousClock.Instant?
  }

  let user: Int
  let number: Int
  let manner: Manner
  /// How many devices of the user are shown everything.
  private let siblings: Int
  /// Whether the user ever says to have read what this one writes.
  private let reads: @Sendable (UserName) -> Bool
  private let endpoint: ConnectEndpoint
  private let name: DeviceName
  private let ledger: ChatLedger
  private let token: @Sendable () async throws -> String
  private let state = Mutex(State())

  init(
    user: Int, number: Int, of siblings: Int, manner: Manner,
    reads: @escaping @Sendable (UserName) -> Bool, endpoint: ConnectEndpoint,
    ledger: ChatLedger, token: @escaping @Sendable () async throws -> String
  ) {
    self.user = user
    self.number = number
    self.siblings = siblings
    self.reads = reads
    self.manner = manner
    self.endpoint = endpoint
    self.name = DeviceName("device-\(number)")!
    self.ledger = ledger
    self.token = token
    if manner == .newcomer { self.setWanted(false) }
  }

  /// The client for sends; nil while the device is off.
  var client: ConnectClient? { self.state.withLock(\.client) }

  /// Whether its state is the wanted one: connected, or off.
  var isAsWanted: Bool { self.state.withLock { $0.isWanted ? $0.isConnected : $0.client == nil } }

  /// Whether it has been shown all that the mailbox had.
  var isLive: Bool { self.state.withLock(\.isLive) }

  /// Switches the device off, like an app in the background, or on again.
  func setWanted(_ isWanted: Bool) {
    let client = self.state.withLock { state in
      state.isWanted = isWanted
      return isWanted ? nil : state.client
    }
    client?.close()
  }

  /// Lets a device that is late catch up, or be late again.
  func setHurried(_ isHurried: Bool) { self.state.withLock { $0.isHurried = isHurried } }

  func close() {
    let client = self.state.withLock { state in
      state.isClosed = true
      return state.client
    }
    client?.close()
  }

  /// Stays connected while that is wanted, until ``close()``.
  func run() async {
    while !self.state.withLock(\.isClosed), !Task.isCancelled {
      if self.state.withLock(\.isWanted) {
        await self.runClient()
      } else {
        try? await Task.sleep(for: FaultLimits.poll)
      }
    }
  }

  private func runClient() async {
    var configuration = ConnectClientConfiguration(
      endpoint: self.endpoint, device: self.name, since: self.state.withLock(\.lastShown))
    configuration.positions = self.state.withLock(\.stamp)
    let client = ConnectClient(configuration: configuration, token: self.token)
    for (peer, reads) in self.state.withLock(\.reads) {
      for (isPrivate, offset) in reads {
        client.read(peer, through: offset, isPrivate: isPrivate)
      }
    }
    let goesOn = self.state.withLock { state in
      guard state.isWanted, !state.isClosed else { return false }
      state.client = client
      state.shown.clientBegins()
      return true
    }
    guard goesOn else { return }
    async let ended: Void = self.keepConnected(client)
    var isFirst = true
    var count = 0
    for await event in client.events {
      if case .connected = event {
        if !isFirst { self.ledger.reconnected() }
        isFirst = false
      }
      self.handle(event)
      guard self.manner == .late, event.offset != nil else { continue }
      count += 1
      guard count % 32 == 0, !self.state.withLock(\.isHurried) else { continue }
      try? await Task.sleep(for: .milliseconds(1_500))
    }
    await ended
    self.state.withLock { state in
      state.client = nil
      state.isConnected = false
      state.isLive = false
    }
  }

  private func keepConnected(_ client: ConnectClient) async {
    do {
      try await client.run()
    } catch {
      self.ledger.gaveUp(user: self.user, device: self.number, why: "\(error)")
      // Whatever made it give up may last.
      try? await Task.sleep(for: .seconds(1))
    }
  }

  private func handle(_ event: ConnectEvent) {
    switch event {
    case .connected(let welcome):
      self.state.withLock { state in
        state.isConnected = true
        state.welcomed = welcome.now
      }
    case .disconnected(_, let retryIn):
      self.state.withLock { state in
        state.isConnected = false
        state.isLive = false
        // Attempts that fail end, too: the first end counts.
        state.awaySince = retryIn == nil ? nil : state.awaySince ?? .now
      }
    case .live: self.noteLive()
    case .message(let message):
      guard self.isNew(message.id, isCopy: false, at: message.offset) else { break }
      self.ledger.shown(
        message.id, to: self.user, device: self.number, offset: message.offset,
        isIntact: ChatBody.isIntact(message.body, of: message.id, isQuiet: message.quiet),
        latency: self.number == 0 ? ChatBody.latency(message) : nil)
      self.read(message)
    case .sent(let sent):
      guard self.isNew(sent.id, isCopy: true, at: sent.offset) else { break }
      self.ledger.shownCopy(
        sent.id, of: self.user, to: Chatters.user(sent.to), device: self.number,
        offset: sent.offset,
        isIntact: ChatBody.isIntact(sent.body, of: sent.id, isQuiet: sent.quiet))
    case .position(let position): self.told(position)
    case .failed(let failed):
      self.state.withLock { $0.lastShown = failed.offset }
      self.ledger.failed(failed.id, code: failed.code)
    case .accepted(let id, let offset): self.ledger.accepted(id, offset: offset)
    case .rejected(let rejected, let isFinal):
      if isFinal {
        self.ledger.refused(rejected.id, why: rejected.message)
      } else {
        self.ledger.postponed(rejected.id)
      }
    case .error(let code, let message):
      self.ledger.note("a frame of user \(self.user) made no sense: \(code): \(message)")
    case .signal(let signal): self.told(signal)
    case .connecting, .typing, .presence: break
    }
  }

  /// Whether an app would show it.
  private func isNew(_ id: MessageID, isCopy: Bool, at offset: Offset) -> Bool {
    self.state.withLock { state in
      state.lastShown = offset
      return state.shown.isNew(id, isCopy: isCopy, at: offset)
    }
  }

  private func told(_ signal: IncomingSignal) {
    let place = ChatBody.place(signal.body)
    let now = Int64(Date().timeIntervalSince1970 * 1_000)
    self.ledger.told(
      signal.name == SignalLedger.name ? place : nil, from: Chatters.user(signal.from),
      to: self.user, on: self.number,
      age: self.manner == .prompt ? .milliseconds(now - Int64(signal.at)) : nil,
      isOlder: signal.at < self.state.withLock(\.welcomed))
  }

  /// Says that the conversation is read up to a message, if it is this device's turn.
  private func read(_ message: IncomingMessage) {
    guard let traits = ChatTraits(message.id),
      traits.isRead(on: self.number, of: self.siblings), self.reads(message.from)
    else { return }
    let isPrivate = traits.isReadPrivately
    self.ledger.read(traits.place, to: message.offset, isPrivate: isPrivate)
    let client = self.state.withLock { state in
      state.reads[message.from, default: [:]][isPrivate] = message.offset
      return state.client
    }
    client?.read(message.from, through: message.offset, isPrivate: isPrivate)
  }

  private func told(_ position: ServerFrame.Position) {
    guard let peer = Chatters.user(position.peer) else { return }
    self.ledger.told(position, of: self.user, with: peer, on: self.number)
    self.state.withLock { state in
      state.stamp = max(state.stamp, position.stamp)
      // Another device may have caused it otherwise, privately perhaps.
      guard position.id != nil, let mine = position.mine else { return }
      state.reads[position.peer] = state.reads[position.peer]?.filter { $0.value > mine }
    }
  }

  /// A device that is late on purpose would notice its connection late.
  private func noteLive() {
    let since = self.state.withLock { state in
      defer { state.awaySince = nil }
      state.isLive = true
      return state.awaySince
    }
    guard let since, self.manner == .prompt else { return }
    self.ledger.away(for: since.duration(to: .now))
  }
}

/// Body of a chatter's message or signal: its id, the time of enqueuing, and padding.
enum ChatBody {
  static func text(_ id: MessageID, bytes: Int) -> String {
    let text = "\(id.text) \(NIODeadline.now().uptimeNanoseconds) "
    return "\"\(text)\(String(repeating: "x", count: max(1, bytes - text.utf8.count - 2)))\""
  }

  static func isIntact(_ body: MessageBody, of id: MessageID, isQuiet: Bool) -> Bool {
    let view = body.buffer.readableBytesView
    return view.first == UInt8(ascii: "\"") && view.last == UInt8(ascii: "\"")
      && view.dropFirst().starts(with: "\(id.text) ".utf8)
      && ChatTraits(id)?.isQuiet == isQuiet
  }

  /// The message's or signal's place in the ledger.
  static func place(_ body: MessageBody?) -> Ledger.Place? {
    let word = body.flatMap { $0.json.dropFirst().split(separator: " ").first }
    return word.flatMap { MessageID(String($0)) }.flatMap { ChatTraits($0)?.place }
  }

  /// In nanoseconds.
  static func latency(_ message: IncomingMessage) -> UInt64? {
    let words = message.body.json.split(separator: " ")
    guard words.count == 3, let time = UInt64(words[1]) else { return nil }
    let now = NIODeadline.now().uptimeNanoseconds
    return now > time ? now - time : 0
  }
}
