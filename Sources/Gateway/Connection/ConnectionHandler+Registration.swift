import ConnectProtocol
import MessageBus
import NIOCore
import Redis

/// How a connection enters and leaves the registry.
extension ConnectionHandler {
  var ownSession: Session {
    Session(device: self.device.text, gateway: self.loop.configuration.id, connection: self.id)
  }

  /// The session of this device that a value of the registry names.
  private func session(of value: String?) -> Session? {
    value.flatMap { Session(device: self.device.text, value: $0) }
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
      let replaced = self.session(of: try replies[holder])
      let maximum = self.loop.configuration.devicesPerUser
      if DeviceBound.isExceeded(maximum, at: position, fields: try replies[fields]) {
        self.boundDevices(maximum, at: position, replacing: replaced)
      } else if self.isOver {
        self.forget()
      } else {
        self.withPlausible(position) { self.welcome(at: $0, replacing: replaced) }
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
        // Perhaps it had ended before the registration was sent.
        guard !self.isOver else { return self.forget() }
        self.loop.noteRejection(error)
        self.close(.tryAgainLater, "the session could not be registered")
      }
    }
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
      guard !self.isOver else { return self.forget() }
      guard outcome.mayStay else {
        return self.close(
          .tooManyDevices, "all \(maximum) devices that a user may have are connected")
      }
      self.withPlausible(position) { self.welcome(at: $0, replacing: replaced) }
    }
  }

  private func welcome(at position: Cursors.Position, replacing replaced: Session?) {
    guard self.session.opened() else { return }
    let start = self.since ?? position.acked
    self.knowsCursor = true
    self.storedCursor = position.acked
    self.storedSeen = Double(position.seenSeconds ?? 0)
    // What holds back trimming for a device is that it is known; so that is stored, but later, since
    // the client waits.
    if SystemClock.secondsSince1970() - self.storedSeen > GatewayLimits.seenSeconds {
      self.loop.storeCursorLater(self)
    }
    self.delivery = DeliveryStateMachine(
      start: start, window: self.loop.configuration.unackedMessages, reported: position.acked)
    self.writeText { buffer in
      _ = buffer.writeWelcome(
        ServerFrame.Welcome(
          user: self.user, device: self.device, connection: self.id,
          gateway: self.loop.configuration.id.text, offset: start,
          gap: position.hasGap || self.beginsAgain,
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

  /// Makes sure that the registry still says we hold the device, and reads the mailbox, since pushes
  /// may have gone nowhere.
  ///
  /// An entry can be lost: with the last second of a Redis that died, or to messaging, which takes a
  /// gateway that was paused for gone. One that names another connection is newer than we are.
  func registerAgain() {
    guard self.session.isOpen, !self.isErased else { return }
    var batch = RedisBatch()
    let holder = SessionRegistry.renew(self.ownSession, in: self.sessionKey, to: &batch)
    self.makeKnown(in: &batch)
    self.loop.client.submit(batch) { replies in
      guard self.session.isOpen else { return }
      if let holder = self.session(of: (try? replies[holder]) ?? nil) {
        self.needsRegistration = false
        guard holder == self.ownSession else { return self.replaced() }
      } else if self.needsRegistration {
        // This loop's client may reach Redis later than the one that found the registry lost.
        self.loop.retryLater(self)
      }
      self.delivery.checkPosition()
      self.requestPage()
    }
  }

  /// The mailbox keeps unacked messages only for devices that it knows.
  private func makeKnown(in batch: inout RedisBatch) {
    Cursors.introduce(
      self.device, seenSeconds: UInt64(SystemClock.secondsSince1970()),
      in: self.loop.configuration.keys.cursor(self.user), to: &batch)
  }

  /// Whether the device's position must no longer be stored.
  var isErased: Bool { self.farewell?.isErased ?? false }

  /// Removes the session from the registry at once, after all that was stored of the device.
  func forget() {
    self.loop.removeSessions([(self.ownSession, of: self.sessionKey)])
  }

  /// Called when a newer connection of this device exists, here or elsewhere.
  func replaced() { self.close(.replaced, "replaced by a newer connection of this device") }

  /// Called when the client has said its last.
  func deregister() {
    self.loop.storeCursorLater(self)
    self.leaveRegistryIfSettled()
  }

  /// The session goes when no receipts are under way that may let the cursor move: whoever erases the
  /// user takes its removal for the end of all that is stored.
  func leaveRegistryIfSettled() {
    guard self.isOver, self.receipts.underWay == 0 else { return }
    self.loop.removeSessionLater(self)
  }
}
