import Logging
import Metrics
import NIOCore
import NIOPosix

/// # Listening
///
/// Bounds what all sockets that a port accepts may cost a process: descriptors, and memory of the
/// kernel. Every port of a service listens through it.
///
/// - `AcceptGate` decides when to accept, `AcceptGateHandler` carries it out.
/// - `SocketBudget` counts.

/// Limits of listening ports, each with its unit.
package enum ListeningLimits {
  /// Of the descriptors that the system lets a process have, accepted sockets leave one in so many
  /// alone: for Redis, the management port, and whatever else opens one.
  static let reservedShare = 4

  /// The fewest descriptors reserved, unless that is more than half of all.
  static let fewestReservedDescriptors = 64

  /// The most descriptors reserved.
  static let mostReservedDescriptors = 1_024

  /// Sockets that a process may have even without free descriptors, if it had enough at first.
  static let fewestSockets = 64

  /// Connections accepted in one turn of the loop, by which a limit may be exceeded.
  static let acceptsPerTurn: UInt = 4

  /// How long a port that does not accept waits before it looks again, in milliseconds. Doubles
  /// up to ``longestWaitMilliseconds``.
  static let firstWaitMilliseconds: Int64 = 50

  /// The longest such wait, in milliseconds. A socket of the port that closes ends it at once.
  static let longestWaitMilliseconds: Int64 = 1_000
}

/// The resources that the sockets of one port may use.
package struct ListenerBounds: Sendable {
  /// Name of the port in logs and metrics.
  package var name: String
  /// The most sockets at a time.
  package var sockets: Int
  /// The socket budget that it shares with other ports; nil if its sockets are few enough to live on
  /// the reserve.
  package var shared: SocketBudget?
  /// Size of the kernel's send buffer for a socket, in bytes. Linux takes twice as much, for its
  /// bookkeeping.
  package var sendBufferBytes: Int
  /// Size of the kernel's receive buffer for a socket, in bytes; Linux takes twice as much here,
  /// too.
  package var receiveBufferBytes: Int

  package init(
    name: String, sockets: Int, shared: SocketBudget?, sendBufferBytes: Int,
    receiveBufferBytes: Int
  ) {
    self.name = name
    self.sockets = sockets
    self.shared = shared
    self.sendBufferBytes = sendBufferBytes
    self.receiveBufferBytes = receiveBufferBytes
  }
}

extension ServerBootstrap {
  /// Keeps what accepted sockets cost within bounds. Looks up ``ConnectionTypes``.
  ///
  /// - Parameter metrics: makes what is counted.
  package func bounded(
    by bounds: ListenerBounds, logger: Logger,
    metrics factory: any MetricsFactory = MetricsSystem.factory
  ) -> ServerBootstrap {
    let metrics = ListenerMetrics(listener: bounds.name, factory: factory)
    _ = ConnectionTypes.lookedUp
    return
      self
      .serverChannelOption(.maxMessagesPerRead, value: ListeningLimits.acceptsPerTurn)
      // Accepted sockets inherit both, at no cost of their own, and the window scale of TCP fits.
      .serverChannelOption(
        .socketOption(.so_sndbuf), value: SocketOptionValue(bounds.sendBufferBytes)
      )
      .serverChannelOption(
        .socketOption(.so_rcvbuf), value: SocketOptionValue(bounds.receiveBufferBytes)
      )
      .serverChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(
            AcceptGateHandler(bounds: bounds, metrics: metrics, logger: logger))
        }
      }
  }
}

/// Metrics of one port.
struct ListenerMetrics: Sendable {
  let sockets: Meter
  let pauses: Counter

  init(listener: String, factory: any MetricsFactory) {
    let dimensions = [("listener", listener)]
    self.sockets = Meter(label: "connect_sockets", dimensions: dimensions, factory: factory)
    self.pauses = Counter(
      label: "connect_accept_pauses_total", dimensions: dimensions, factory: factory)
  }
}
