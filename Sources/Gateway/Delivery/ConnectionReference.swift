import ConnectProtocol
import NIOCore

/// A connection, as other threads hold it: what never changes may be read anywhere, and everything else on its
/// event loop.
///
/// A third of the size of a `NIOLoopBound`, as the connection knows its loop.
///
/// Unchecked: ``value`` checks that it is on the loop, and the rest are constants of a connection.
struct ConnectionReference: @unchecked Sendable {
  private let connection: ConnectionHandler

  init(_ connection: ConnectionHandler) { self.connection = connection }

  var eventLoop: any EventLoop { self.connection.loop.eventLoop }

  var device: DeviceName { self.connection.device }

  var identity: ObjectIdentifier { ObjectIdentifier(self.connection) }

  /// On its event loop only.
  var value: ConnectionHandler {
    self.eventLoop.preconditionInEventLoop()
    return self.connection
  }
}

/// The connections of one user, the oldest first. One, as nearly every user has, takes no array.
enum UserConnections: Sendable {
  case one(ConnectionReference)
  /// At least two.
  case several([ConnectionReference])

  var all: [ConnectionReference] {
    switch self {
    case .one(let connection): [connection]
    case .several(let connections): connections
    }
  }

  mutating func append(_ connection: ConnectionReference) {
    switch self {
    case .one(let first):
      self = .several([first, connection])
    case .several(var connections):
      // Else the array would be copied, as two had it.
      self = .several([])
      connections.append(connection)
      self = .several(connections)
    }
  }

  func newest(of device: DeviceName) -> ConnectionReference? {
    switch self {
    case .one(let connection): connection.device == device ? connection : nil
    case .several(let connections): connections.last { $0.device == device }
    }
  }

  /// Without one of them; nil if there is no other.
  func removing(_ identity: ObjectIdentifier) -> UserConnections? {
    let rest = self.all.filter { $0.identity != identity }
    return switch rest.count {
    case 0: nil
    case 1: .one(rest[0])
    default: .several(rest)
    }
  }

  var count: Int {
    switch self {
    case .one: 1
    case .several(let connections): connections.count
    }
  }
}
