import ConnectProtocol
import MessageBus
import NIOCore
import Redis

/// How a connection enters and leaves the registry.
extension ConnectionHandler {
  var ownSession: Session {
    Session(device: self.device.text, gateway: self.loop.configuration.id, connection: self.id)
  }

  var sessionKey: RedisKey { self.loop.configuration.keys.session(self.user) }

  /// One round trip: the cursor, who held the device before, and that it is ours. Only then is the
  /// mailbox read, so that a message is pushed to us, or found there, or both.
  func register() {
    self.loop.add(self)
    // Admitted just before the gateway began to stop.
    if self.loop.isDraining { self.farewell = .restart }
    let keys = self.loop.configuration.keys
    var batch = RedisBatch()
    let position = Cursors.position(of: self.device, in: keys.cursor(self.user), to: &batch)
    let holder = SessionRegistry.register(self.ownSession, in: self.sessionKey, to: &batch)
    self.makeKnown(in: &batch)
    let fields = DeviceBound.count(in: keys.cursor(self.user), to: &batch)
    self.register(batch) { replies throws(RedisError) in
      try replies.check()
      let position = try replies[position]
      let replaced = try replies[holder]
      let maximum = self.loop.configuration.devicesPerUser
      if DeviceBound.isExceeded(maximum, at: position, fields: try replies[fields]) {
        self.boundDevices(maximum, at: position, replacing: replaced)
      } else if self.isStillHere() {
        self.enter(at: position, replacing: replaced)
      }
    }
  }

  /// Handles the answer even if the connection has ended: a name may remain in the registry.
  private func register(
    _ batch: RedisBatch, _ answered: @escaping (RedisReplies) throws(RedisError) -> Void
  ) {
    self.loop.client.submit(batch) { replies in
      do throws(RedisError) {
        try answered(replies)
      } catch {
        guard self.isStillHere() else { return }
        self.loop.noteRejection(error)
        self.close(.tryAgainLater, "the session could not be registered")
      }
    }
  }

  /// Whether the connection can go on with Redis's answer to its registration.
  private func isStillHere() -> Bool {
    self.carryOut(self.registration.answered())
    return !self.isOver
  }

  /// Displaces devices beyond `maximum` that are not connected, or closes this connection.
  private func boundDevices(
    _ maximum: Int, at position: Cursors.Position, replacing replaced: Session?
  ) {
    var batch = RedisBatch()
    let outcome = DeviceBound.enforce(
      maximum, for: self.ownSession, isNew: position.seenSeconds == nil,
      keys: self.loop.configuration.keys, user: self.user, to: &batch)
    self.register(batch) { replies throws(RedisError) in
      let outcome = try replies[outcome]
      self.loop.metrics.displacedDevices.increment(by: outcome.displaced)
      guard self.isStillHere() else { return }
      guard outcome.mayStay else {
        return self.close(
          .tooManyDevices, "all \(maximum) devices that a user may have are connected")
      }
      self.enter(at: position, replacing: replaced)
    }
  }

  /// Welcomes the client at `position`, or at 0 if its Redis cannot have given that.
  ///
  /// New entries get Redis's time, so what is not above ours is in order. The mailbox is asked only if
  /// that comparison fails, as it does when Redis's clock is ahead of ours.
  private func enter(at position: Cursors.Position, replacing replaced: Session?) {
    let now = Offset(
      milliseconds: UInt64(SystemClock.secondsSince1970() * 1_000), sequence: .max)
    guard !self.registration.isPlausible(position, below: now) else {
      return self.welcome(
        at: self.registration.start(at: position, below: now), replacing: replaced)
    }
    var batch = RedisBatch()
    let top = batch.top(of: self.loop.configuration.keys.mailbox(self.user))
    self.register(batch) { replies throws(RedisError) in
      guard self.isStillHere() else { return }
      let start = self.registration.start(at: position, below: max(now, try replies[top]))
      if start.isReset { self.loop.metrics.cursorsReset.increment() }
      self.welcome(at: start, replacing: replaced)
    }
  }

  private func welcome(at start: RegistrationStateMachine.Start, replacing replaced: Session?) {
    guard self.session.opened() else { return }
    self.carryOut(self.registration.opened(at: start, now: SystemClock.secondsSince1970()))
    self.delivery = DeliveryStateMachine(
      start: start.offset, window: self.loop.configuration.unackedMessages, reported: start.acked)
    self.writeText { buffer in
      _ = buffer.writeWelcome(
        ServerFrame.Welcome(
          user: self.user, device: self.device, connection: self.id,
          gateway: self.loop.configuration.id.text, offset: start.offset, gap: start.hasGap,
          limits: self.loop.configuration.protocolLimits,
          pingSeconds: self.loop.configuration.pingSeconds))
    }
    if let replaced, replaced.gateway != self.loop.configuration.id {
      self.loop.tellReplaced(replaced, user: self.user)
    }
    self.setReading(true)
    if let farewell = self.farewell { return self.leave(farewell) }
    self.requestPage()
    self.serveFrames()
  }

  /// Makes sure that the registry still says we hold the device, and looks into the mailbox, since pushes
  /// may have gone nowhere.
  ///
  /// An entry can be lost: with the last second of a Redis that died, or to messaging, which takes a
  /// gateway that was paused for gone. One that names another connection is newer than we are.
  func registerAgain() {
    guard self.session.isOpen, self.registration.mayRenew else { return }
    var batch = RedisBatch()
    let holder = SessionRegistry.renew(self.ownSession, in: self.sessionKey, to: &batch)
    self.makeKnown(in: &batch)
    self.loop.client.submit(batch) { replies in
      guard self.session.isOpen else { return }
      let holder = (try? replies[holder]) ?? nil
      switch self.registration.renewed(
        holder.map { $0 == self.ownSession ? .us : .another } ?? .unknown)
      {
      case .yield: return self.replaced()
      case .checkMailboxAndRetry: self.retryLater()
      case .checkMailbox: break
      }
      self.delivery.checkPosition()
      self.requestPage()
    }
  }

  /// Called when messaging took this gateway for dead.
  func registryLost() {
    self.registration.lost()
    self.registerAgain()
  }

  /// The mailbox keeps unacked messages only for devices that it knows.
  private func makeKnown(in batch: inout RedisBatch) {
    Cursors.introduce(
      self.device, seenSeconds: UInt64(SystemClock.secondsSince1970()),
      in: self.loop.configuration.keys.cursor(self.user), to: &batch)
  }

  /// Called when a newer connection of this device exists, here or elsewhere.
  func replaced() { self.close(.replaced, "replaced by a newer connection of this device") }

  /// Called when the client has said its last.
  func deregister() {
    self.carryOut(self.registration.closed(underWay: self.receipts.underWay))
  }

  // MARK: What the loop writes

  func carryOut(_ actions: RegistrationStateMachine.Actions) {
    guard !actions.isEmpty else { return }
    self.loop.registrations.carryOut(actions, for: self)
  }

  /// The store that was queued, if there is still something to store.
  func cursorToStore(now: Double) -> RegistrationStateMachine.Store? {
    self.registration.store(safe: self.receipts.safe, now: now)
  }

  func cursorNotStored(_ store: RegistrationStateMachine.Store) {
    self.carryOut(self.registration.storeFailed(store))
  }
}
