import ConnectProtocol
import MessageBus
import NIOCore
import Redis

/// Reads the gateway's own `outgoing` stream and hands what it finds to the loops of the sockets.
///
/// Its executor is the event loop of its connections to Redis, so that nothing hops between a reply
/// and the frames made of it.
actor DeliveryConsumer {
  /// To be preferred by the task that calls ``run(onReady:)``.
  nonisolated let executor: EventLoopExecutor
  private let loops: [GatewayLoop]
  private let directory: ConnectionDirectory
  private let busClock: BusClock
  private let metrics: GatewayMetrics
  private let consumer: GroupConsumer
  private var underWay: [EventLoopFuture<Void>] = []
  /// What lies up to here was handed over.
  private var handedThrough = Offset.zero
  /// What lies up to here comes again, since Redis had lost the group; zero if nothing does. Clients recognise
  /// messages, but not signals.
  private var comesAgainThrough = Offset.zero

  nonisolated var unownedExecutor: UnownedSerialExecutor {
    self.executor.asUnownedSerialExecutor()
  }

  /// - Parameter consumer: of the gateway's stream, on the first loop.
  init(
    loops: [GatewayLoop], directory: ConnectionDirectory, busClock: BusClock,
    metrics: GatewayMetrics, consumer: GroupConsumer
  ) {
    self.executor = EventLoopExecutor(loops[0].eventLoop)
    self.loops = loops
    self.directory = directory
    self.busClock = busClock
    self.metrics = metrics
    self.consumer = consumer
  }

  /// Reads until ``stop()``.
  ///
  /// - Parameter onReady: called each time the stream is known to exist.
  func run(onReady: @escaping @Sendable () -> Void) async {
    assert(self.executor.isPreferred)
    while true {
      switch await self.consumer.next() {
      case .began(let session):
        self.started(wasCreated: session.wasCreated)
        onReady()
      case .entries(let entries):
        await self.deliver(entries)
        await self.consumer.finish(.later)
      case .ended: return
      }
    }
  }

  /// Ends ``run(onReady:)`` as soon as what it has read is handed over.
  func stop() async { await self.consumer.stop() }

  /// If the stream is new, messaging took this gateway for dead and forgot its sessions.
  private func started(wasCreated: Bool) {
    if wasCreated { self.handedThrough = .zero }
    self.comesAgainThrough = self.handedThrough
    guard wasCreated else { return }
    for loop in self.loops { loop.eventLoop.execute { loop.registerAgain() } }
  }

  private func deliver(_ entries: [StreamEntry]) async {
    let deliveries = entries.flatMap { $0.payload.map(Delivery.list) ?? [] }
    var moved: [MovedPosition] = []
    var pushes: [PushedMessage] = []
    pushes.reserveCapacity(deliveries.count)
    var hasSignals = false
    for delivery in deliveries {
      switch delivery {
      case .push(let previous, let offset, let envelope):
        guard envelope.isForClients, let user = envelope.recipient else { continue }
        pushes.append(Self.message(user, previous, offset, envelope))
      case .position(let user, let peer, let row, let previous, let floor):
        moved.append(
          MovedPosition(user: user, peer: peer, row: row, previous: previous, floor: floor))
      case .signal:
        hasSignals = true
      case .replaced(let user, let connection):
        self.replace(user, connection)
      case .closing(let user, let device, let isErased):
        self.close(user, device, isErased: isErased)
      }
    }
    var latest = deliveries
    if let first = entries.first, first.offset <= self.comesAgainThrough {
      latest = entries.filter { $0.offset > self.comesAgainThrough }
        .flatMap { $0.payload.map(Delivery.list) ?? [] }
    }
    // Later, offsets may be lower: a replica that takes over may be behind, and its clock, too.
    if let last = entries.last, last.offset > self.comesAgainThrough {
      self.comesAgainThrough = .zero
      self.handedThrough = last.offset
    }
    await self.handed()
    self.hand(pushes, to: \.user) { $0.handlePush($1) }
    self.hand(moved, to: \.user) { $0.positionMoved($1) }
    guard hasSignals else { return }
    self.hand(self.signals(in: latest), to: \.user) { $0.handleSignal($1) }
  }

  /// Those that do not come too late.
  private func signals(in deliveries: [Delivery]) -> [PassedSignal] {
    let now = self.busClock.now
    return deliveries.compactMap { delivery in
      guard case .signal(let user, let from, let name, let at, let body) = delivery else {
        return nil
      }
      if PassedSignal.isLate(at, now: now) {
        self.metrics.signalDropped(.late)
        return nil
      }
      return PassedSignal(user: user, from: from, name: name, at: at, body: body)
    }
  }

  /// Waits until the loops have taken the previous batch: at most two are in memory.
  private func handed() async {
    let underWay = self.underWay
    self.underWay = []
    for batch in underWay { try? await batch.get() }
  }

  private static func message(
    _ user: UserName, _ previous: Offset, _ offset: Offset, _ envelope: Envelope
  ) -> PushedMessage {
    var frame = ByteBuffer()
    frame.writeMailboxEntry(Mailbox.Entry(offset: offset, envelope: envelope), envelope)
    return PushedMessage(
      user: user, previous: previous, offset: offset, frame: frame,
      receipt: envelope.receiptFor, copy: envelope.kind == .sent ? envelope : nil)
  }

  /// One task per loop and batch, however many messages there are.
  private func hand<Push: Sendable>(
    _ pushes: [Push], to user: (Push) -> UserName,
    _ push: @escaping @Sendable (ConnectionHandler, Push) -> Void
  ) {
    guard !pushes.isEmpty else { return }
    let targets = self.directory.connections(of: pushes.map(user))
    for loop in self.loops {
      var work: [(ConnectionReference, Push)] = []
      for (item, connections) in zip(pushes, targets) {
        switch connections {
        case .one(let connection):
          if connection.eventLoop === loop.eventLoop { work.append((connection, item)) }
        case .several(let connections):
          for connection in connections where connection.eventLoop === loop.eventLoop {
            work.append((connection, item))
          }
        case nil: break
        }
      }
      guard !work.isEmpty else { continue }
      self.underWay.append(
        loop.eventLoop.submit { [work] in
          for (connection, item) in work { push(connection.value, item) }
        })
    }
  }

  private func connections(of user: UserName) -> [ConnectionReference] {
    self.directory.connections(of: [user])[0]?.all ?? []
  }

  private func replace(_ user: UserName, _ id: String) {
    for connection in self.connections(of: user) {
      connection.eventLoop.execute {
        if connection.value.id == id { connection.value.replaced() }
      }
    }
  }

  /// The app's backend wants a user's connections closed.
  private func close(_ user: UserName, _ device: DeviceName?, isErased: Bool) {
    for connection in self.connections(of: user) {
      connection.eventLoop.execute {
        guard device == nil || connection.value.device == device else { return }
        connection.value.leave(isErased ? .erased : .disconnected)
      }
    }
  }
}
