import ConnectProtocol
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import ConnectClient
@testable import ConnectTestStand

/// One connection, callback style.
@Suite struct ConnectionTests {
  /// Notes how a connection ended.
  private final class Observer: ConnectClientConnectionDelegate {
    let ended: NIOLockedValueBox<[EndedConnection]>

    init(_ ended: NIOLockedValueBox<[EndedConnection]>) { self.ended = ended }

    func received(
      _ frame: ServerFrame, payload: ByteBuffer, on connection: ConnectClientConnection
    ) {}

    func ended(_ ended: EndedConnection, _ connection: ConnectClientConnection) {
      self.ended.withLockedValue { $0.append(ended) }
    }
  }

  /// Opens a connection and aborts it some microseconds later.
  private func abort(
    after microseconds: Int64?, _ endpoint: ConnectEndpoint
  ) -> NIOLockedValueBox<[EndedConnection]> {
    let ended = NIOLockedValueBox<[EndedConnection]>([])
    let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
    eventLoop.execute {
      let connection = ConnectClientConnection.open(
        to: endpoint, token: "token", on: eventLoop, delegate: Observer(ended))
      guard let microseconds else { return connection.abort() }
      eventLoop.assumeIsolated().scheduleTask(in: .microseconds(microseconds)) {
        connection.abort()
      }
    }
    return ended
  }

  @Test func whoeverAbortsHearsOfTheEndOnce() async throws {
    try await ScriptedGateway.with { gateway in
      var all = [self.abort(after: nil, gateway.endpoint)]
      for time in stride(from: Int64(0), to: 2_000, by: 10) {
        all.append(self.abort(after: time, gateway.endpoint))
      }
      for (index, ended) in all.enumerated() {
        try await eventually("connection \(index) ends") {
          ended.withLockedValue { !$0.isEmpty }
        }
        #expect(ended.withLockedValue { $0.map(\.end) } == [.closed])
      }
    }
  }

  #if !os(Linux)
    @Test func anAddressWithTLSNeedsSomethingThatSpeaksIt() async throws {
      let ended = self.abort(after: 1_000_000, ConnectEndpoint("wss://localhost:1")!)
      try await eventually("it ends") { ended.withLockedValue { !$0.isEmpty } }
      #expect(ended.withLockedValue { $0.map(\.end) } == [.noTransportSecurity])
    }
  #endif
}
