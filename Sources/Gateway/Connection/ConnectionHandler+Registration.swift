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
  /// mailbox looked at, so that a message is pushed to us, or found there, or both.
  func register() {
    self.loop.add(self)
    // Admitted just before the gateway began to stop.
    if self.loop.isDraining { self.active.farewell = .restart }
    let keys = self.loop.configuration.keys
    let mailbox = keys.mailbox(self.user)
    var batch = RedisBatch()
    let position = Cursors.position(of: self.device, in: keys.cursor(self.user), to: &batch)
    let known = self.makeKnown(in: &batch)
    let holder = SessionRegistry.register(self.ownSession, in: self.sessionKey, to: &batch)
    let fields = DeviceBound.count(in: keys.cursor(self.user), to: &batch)
    let summary = Positions.summary(of: keys.positions(self.user), to: &batch)
    let top = self.registration.namesOffset ? batch.top(of: mailbox) : nil
    let newest =
      top == nil && self.loop.mayLookAtRegistration
      ? batch.newestOffset(of: mailbox, above: .zero) : nil
    self.register(batch) { replies throws(RedisError) in
      try replies[known]
      var entry = Entry(
        position: try replies[position], replaced: try replies[holder],
        summary: try replies[summary])
      if let top { entry.top = try replies[top] }
      if replies.areInOrder {
        // Whatever Redis says of it, the client is welcomed; the page is tried again until it comes.
        entry.highest = entry.top ?? newest.flatMap { try? replies[$0] ?? .zero }
      }
      let maximum = self.loop.configuration.devicesPerUser
      if DeviceBound.isExceeded(maximum, at: entry.position, fields: try replies[fields]) {
        self.boundDevices(maximum, entry)
      } else if self.isStillHere() {
        self.enter(entry)
      }
    }
  }

  /// What Redis has of the user when the connection is registered.
  private struct Entry {
    let position: Cursors.Position
    let replaced: Session?
    let summary: Positions.Summary
    /// That of the mailbox, if the client says where it is.
    var top: Offset?
    /// Nothing in the mailbox was above, once the device was ours. Nil if that is not known.
    var highest: Offset?
  }

  /// Handles the answer even if the connection has ended: a name may remain in the registry.
  private func register(
    _ batch: RedisBatch, _ answered: @escaping (RedisReplies) throws(RedisError) -> Void
  ) {
    self.loop.registrationsUnderWay += 1
    self.loop.client.submit(batch) { replies in
      self.loop.registrationsUnderWay -= 1
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
  private func boundDevices(_ maximum: Int, _ entry: Entry) {
    var batch = RedisBatch()
    let outcome = DeviceBound.enforce(
      maximum, for: self.ownSession, isNew: entry.position.seenSeconds == nil,
      keys: self.loop.configuration.keys, user: self.user, to: &batch)
    self.register(batch) { replies throws(RedisError) in
      let outcome = try replies[outcome]
      self.loop.metrics.displacedDevices.increment(by: outcome.displaced)
      guard self.isStillHere() else { return }
      guard outcome.mayStay else {
        return self.close(
          .tooManyDevices, "all \(maximum) devices that a user may have are connected")
      }
      self.enter(entry)
    }
  }

  /// Welcomes the client at its cursor, or at 0 if its Redis cannot have given that.
  ///
  /// New entries get Redis's time, so what is not above ours is in order. The mailbox is asked only if
  /// that comparison fails, as it does when Redis's clock is ahead of ours.
  private func enter(_ entry: Entry) {
    let now = Offset(
      milliseconds: UInt64(SystemClock.secondsSince1970() * 1_000), sequence: .max)
    let isPlausible = self.registration.isPlausible(
      entry.position, noted: entry.summary.delivered, below: now)
    guard entry.top == nil, !isPlausible else {
      return self.welcome(below: max(now, entry.top ?? now), entry)
    }
    var batch = RedisBatch()
    let top = batch.top(of: self.loop.configuration.keys.mailbox(self.user))
    self.register(batch) { replies throws(RedisError) in
      guard self.isStillHere() else { return }
      self.welcome(below: max(now, try replies[top]), entry)
    }
  }

  /// - Parameter limit: nothing in the mailbox is above.
  private func welcome(below limit: Offset, _ entry: Entry) {
    guard self.session.opened() else { return }
    let start = self.registration.start(
      at: entry.position, noted: entry.summary.delivered, below: limit, top: entry.top)
    if start.isReset { self.loop.metrics.cursorsReset.increment() }
    if start.isNoteReset { self.resetNote() }
    self.carryOut(self.registration.opened(at: start, now: SystemClock.secondsSince1970()))
    self.begin(at: start, entry.summary)
    self.writeText { buffer in
      _ = buffer.writeWelcome(
        ServerFrame.Welcome(
          user: self.user, device: self.device, connection: self.id,
          gateway: self.loop.configuration.id.text, offset: start.offset, gap: start.hasGap,
          limits: self.loop.configuration.protocolLimits,
          pingSeconds: self.loop.configuration.pingSeconds, positions: entry.summary.top,
          floor: entry.summary.floor.unlessZero, now: self.loop.busClock.now,
          retentionSeconds: self.loop.configuration.retentionSeconds))
    }
    if let replaced = entry.replaced, replaced.gateway != self.loop.configuration.id {
      self.loop.tellReplaced(replaced, user: self.user)
    }
    self.setReading(true)
    if let farewell = self.active.farewell {
      self.leave(farewell)
      return self.serveFrames()
    }
    // Its gateway may have been forgotten meanwhile, and the session with it.
    if self.registration.state == .lost { self.registerAgain() }
    self.cursorMayHaveMoved()
    self.readSkipped()
    self.readRows()
    self.beginDelivery(entry)
    self.serveFrames()
  }

  /// Reads the mailbox, unless it is known to have nothing for the client: then that is the first page.
  private func beginDelivery(_ entry: Entry) {
    let active = self.active
    guard let highest = entry.highest, highest <= active.delivery.last, !active.hasMissedPush,
      active.feed.hasCaughtUp, active.delivery.nextPage(canWrite: self.canWrite) != nil
    else { return self.requestPage() }
    self.pageArrived(.success([]))
  }

  private func begin(
    at start: RegistrationStateMachine.Start, _ summary: Positions.Summary
  ) {
    self.noted = start.told
    self.active.delivery = DeliveryStateMachine(
      start: start.offset, window: self.loop.configuration.unackedMessages, reported: self.noted)
    self.active.feed = PositionFeed(after: self.active.positions, top: summary.top)
    if start.offset > start.acked { _ = self.active.outbox.acked(start.offset, []) }
    if start.offset > self.noted {
      self.active.outbox.skipped(from: self.noted)
      self.active.skippedEnd = start.offset
    }
  }

  /// Else what is noted next would be below, and never hold. Another device may note something meanwhile:
  /// then senders are told again, which does no harm.
  private func resetNote() {
    var batch = RedisBatch()
    Positions.removeDelivered(
      from: self.loop.configuration.keys.positions(self.user), in: &batch)
    self.loop.client.submit(batch) { _ in }
  }

  /// Makes sure that the registry still says we hold the device, and that no push has gone nowhere.
  ///
  /// An entry can be lost: with the last second of a Redis that died, or to messaging, which takes a
  /// gateway that was paused for gone. One that names another connection is newer than we are.
  func registerAgain() {
    if self.mayRenew { self.loop.sessions.check(self) }
  }

  /// Whether something of the connection may be entered now: not once its session is removed, or about to be.
  var mayRenew: Bool { self.session.isOpen && self.registration.mayRenew }

  /// Who holds the device, if the registry names `session`.
  func holds(_ session: Session?) -> RegistrationStateMachine.Holder {
    session.map { $0 == self.ownSession ? .us : .another } ?? .nobody
  }

  func checked(_ answer: SessionChecker.Answer) {
    guard self.session.isOpen else { return }
    if let top = answer.top { self.positionsCompared(with: top) }
    var readsMailbox = true
    switch self.registration.checked(
      answer.holder, entersIfMissing: answer.entersIfMissing)
    {
    case .yield: return self.replaced()
    case .enter: return self.registerAgain()
    case .checkMailboxAndRetry: self.retryLater()
    case .checkMailbox: break
    case .none:
      readsMailbox = !answer.knowsNewest || answer.newest.map { $0 > self.last } ?? false
    }
    if readsMailbox {
      self.active.delivery.recheckMailbox()
      self.requestPage()
    }
    self.restIfIdle()
  }

  /// Called when messaging took this gateway for dead.
  func registryLost() {
    self.registration.lost()
    self.registerAgain()
  }

  /// The mailbox keeps unacked messages only for devices that it knows.
  ///
  /// Always before the session is entered: whatever a Redis that dies loses of the last that was written, whoever has
  /// a session is known.
  @discardableResult
  func makeKnown(in batch: inout RedisBatch) -> Reply<Void> {
    Cursors.introduce(
      self.device, seenSeconds: UInt64(SystemClock.secondsSince1970()),
      in: self.loop.configuration.keys.cursor(self.user), to: &batch)
  }

  /// Called when a newer connection of this device exists, here or elsewhere.
  func replaced() { self.close(.replaced, "replaced by a newer connection of this device") }

  /// Called when the client has said its last.
  func deregister() {
    self.endPresence()
    self.tell(self.active.outbox.close(), haveWaited: true)
    self.carryOut(self.registration.closed(underWay: self.active.outbox.underWay))
  }

  // MARK: What the loop writes

  func carryOut(_ actions: RegistrationStateMachine.Actions) {
    guard !actions.isEmpty else { return }
    self.loop.registrations.carryOut(actions, for: self)
  }

  /// The store that was queued, if there is still something to store.
  func cursorToStore(now: Double) -> RegistrationStateMachine.Store? {
    self.registration.store(safe: self.active.outbox.safe, now: now)
  }

  /// The offset up to which it is to be noted, with a store of the cursor, that senders were told: not if
  /// that is known, and at the end of the connection even if there was nothing to tell. So the next one
  /// looks at nothing again.
  func offsetToNote(_ store: RegistrationStateMachine.Store) -> Offset? {
    guard self.active.outbox.takeTold() || self.isOver, store.offset > self.noted else {
      return nil
    }
    return store.offset
  }

  /// The senders of all up to `offset` were told, perhaps by another device.
  func noted(_ offset: Offset) {
    self.noted = max(self.noted, offset)
    self.activity?.delivery.reported(to: offset)
  }

  func cursorNotStored(_ store: RegistrationStateMachine.Store) {
    self.carryOut(self.registration.storeFailed(store))
  }
}
