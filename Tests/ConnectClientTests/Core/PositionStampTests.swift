import ConnectProtocol
import Testing

@testable import ConnectClient

@Suite("The version of the positions that are known")
struct PositionStampTests {
  private func stamp(_ known: UInt64?, welcomedAt top: UInt64) -> PositionStamp {
    var stamp = PositionStamp(known)
    stamp.connected(ConnectClientTests.welcome(positions: top))
    return stamp
  }

  private func position(_ stamp: UInt64) -> ServerFrame.Position {
    ServerFrame.Position(peer: bob, delivered: Offset(milliseconds: 1, sequence: 0), stamp: stamp)
  }

  @Test("is what the app has given until the server tells more")
  func given() {
    #expect(PositionStamp(nil).known == nil)
    #expect(PositionStamp(0).known == 0)
    #expect(PositionStamp(7).known == 7)
  }

  @Test("is that of welcome only from live on, since the rows up to it come between")
  func welcomed() {
    var stamp = self.stamp(nil, welcomedAt: 50)
    #expect(stamp.known == nil)
    stamp.live()
    #expect(stamp.known == 50)
    // The connection ends before live: what it asked for is asked for again.
    stamp.connected(ConnectClientTests.welcome(positions: 90))
    #expect(stamp.known == 50)
    stamp.received(self.position(60))
    #expect(stamp.known == 60)
  }

  @Test("is the highest of a connection, whatever an answer says")
  func highest() {
    var stamp = self.stamp(10, welcomedAt: 20)
    stamp.received(self.position(30))
    stamp.live()
    #expect(stamp.known == 30)
    stamp.received(self.position(25))
    #expect(stamp.known == 30)
  }

  @Test("begins again, below, where the table was lost")
  func lost() {
    var stamp = self.stamp(1_000, welcomedAt: 7)
    #expect(stamp.known == 1_000)
    stamp.received(self.position(6))
    #expect(stamp.known == 6)
    stamp.live()
    #expect(stamp.known == 7)
  }
}
