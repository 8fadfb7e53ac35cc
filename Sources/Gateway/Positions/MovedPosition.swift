import ConnectProtocol
import MessageBus

/// A row of a user's positions on its way to sockets.
struct MovedPosition: Sendable {
  let user: UserName
  let peer: UserName
  let row: Positions.Row
  /// The highest stamp before it.
  let previous: UInt64
  let floor: Offset
}

extension ServerFrame.Position {
  init(
    peer: UserName, row: Positions.Row, floor: Offset, stamp: UInt64? = nil, id: MessageID? = nil
  ) {
    self.init(
      peer: peer, delivered: row.delivered.unlessZero, read: row.read.unlessZero,
      mine: row.mine.unlessZero, floor: floor.unlessZero, stamp: stamp ?? row.stamp, id: id)
  }
}
