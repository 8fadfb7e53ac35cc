import ConnectProtocol

/// Settings of a client.
public struct ConnectClientConfiguration: Sendable {
  /// Where to connect.
  public var endpoint: ConnectEndpoint
  /// Which of the user's devices this is: each has its own place in the mailbox, and one connection.
  public var device: DeviceName
  /// Replay from here instead of where the device's acks ended; zero replays all that is retained. All up
  /// to here counts as acked.
  public var since: Offset?
  /// The stamp of the last ``ConnectEvent/position(_:)`` that the app has stored: on connecting, the client is
  /// told what has moved since. Zero tells all conversations that are known; nil none of them.
  public var positions: UInt64? = 0
  /// Who is signed in, if that is to be checked: a token of somebody else ends the client before it has sent, acked or
  /// shown anything, with ``ConnectionEnd/otherUser(_:)``.
  public var user: UserName?
  /// Whether to connect again after the server closed with 1000, which ours never does of itself.
  public var reconnectsAfterNormalClose = true
  /// TLS for `wss://`; nil for that of the platform, ``ConnectTransportSecurity/system``.
  public var transportSecurity: ConnectTransportSecurity?
  /// See ``ConnectClientLimits/unansweredSends``; at least 1.
  public var unansweredSends = ConnectClientLimits.unansweredSends
  /// See ``ConnectClientLimits/bufferedEventsHigh``; at least 1.
  public var bufferedEvents = ConnectClientLimits.bufferedEventsHigh
  /// See ``ConnectClientLimits/frameBytes``.
  public var frameBytes = ConnectClientLimits.frameBytes

  /// A configuration with the defaults.
  public init(endpoint: ConnectEndpoint, device: DeviceName = .default, since: Offset? = nil) {
    self.endpoint = endpoint
    self.device = device
    self.since = since
  }
}
