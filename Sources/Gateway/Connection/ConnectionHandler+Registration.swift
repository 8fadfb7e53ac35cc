import ConnectProtocol
import MessageBus
import NIOCore
import Redis

/// How a connection enters and leaves the registry.
extension ConnectionHandler {
  var registered: Session {
    Session(device: self.device.text, gateway: self.loop.configuration.id, connection: self.id)
  }

  private var sessionKey: RedisKey { self.loop.configuration.keys.session(self.user) }

  /// One round trip: the cursor, who held the device before, and that it is ours. Only then is the
  /// mailbox read, so that a message is pushed to us, or found there, or both.
  func register() {
    self.loop.add(self)
    let keys = self.loop.configuration.keys
    var batch = RedisBatch()
    Cursors.position(of: self.device, in: keys.cursor(self.user), to: &batch)
    SessionRegistry.register(self.registered, in: self.sessionKey, to: &batch)
    self.loop.client.submit(batch) { replies in
      guard self.context != nil else {
        // It has ended meanwhile, perhaps before the registration was sent.
        return self.loop.client.removeSessions([(self.registered, of: self.sessionKey)])
      }
      do throws(RedisError) {
        try replies.check()
        let position = try Cursors.position(replies, at: 0)
        let replaced = try SessionRegistry.replaced(by: self.registered, replies, at: 1)
        self.registered(at: position, replacing: replaced)
      } catch {
        self.loop.noteRejection(error)
        self.close(.tryAgainLater, "the session could not be registered")
      }
    }
  }

  private func registered(at position: Cursors.Position, replacing replaced: Session?) {
    guard self.session.opened() else { return }
    let start = self.since ?? position.acked
    self.storedCursor = position.acked
    self.delivery = DeliveryStateMachine(
      start: start, window: self.loop.configuration.unackedMessages, reported: position.acked)
    self.writeText { buffer in
      _ = buffer.writeWelcome(
        ServerFrame.Welcome(
          user: self.user, device: self.device, connection: self.id,
          gateway: self.loop.configuration.id.text, offset: start, gap: position.hasGap,
          limits: self.loop.configuration.protocolLimits,
          pingSeconds: self.loop.configuration.pingSeconds))
    }
    if let replaced, replaced.gateway != self.loop.configuration.id {
      self.loop.tellReplaced(replaced, user: self.user)
    }
    self.setReading(true)
    if self.loop.isDraining { return self.loop.sayGoodbye(to: self) }
    self.requestPage()
    self.serveFrames()
  }

  /// The registry was lost: enter it again, and read the mailbox, since pushes went nowhere.
  func registerAgain() {
    guard self.session.isOpen else { return }
    var batch = RedisBatch()
    SessionRegistry.register(self.registered, in: self.sessionKey, to: &batch)
    self.loop.client.submit(batch) { replies in
      // This loop's way to Redis may come back later than the one that found the registry lost.
      self.needsRegistration = (try? replies.check()) == nil
      if self.needsRegistration, self.session.isOpen { self.loop.retryLater(self) }
      self.delivery.checkPosition()
      self.requestPage()
    }
  }

  /// A newer connection of this device is here or elsewhere.
  func replaced() { self.close(.replaced, "replaced by a newer connection of this device") }

  /// The socket is gone.
  func deregister() {
    self.loop.remove(self)
    self.loop.storeCursorLater(self)
    self.loop.client.removeSessions([(self.registered, of: self.sessionKey)])
  }
}
