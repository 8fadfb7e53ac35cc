import ConnectClient
import ConnectProtocol
import ConnectTestStand
import Foundation
import NIOCore
import Testing

/// What an app does, as the documentation of `ConnectClient` shows it, with nothing but the library's
/// public interface.
@Suite struct ExampleTests {
  /// A small app: shows what comes, and says one thing.
  private func chat(
    as client: ConnectClient, to peer: UserName, saying text: String
  ) async throws -> String? {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await client.run() }
      group.addTask {
        try await client.send(to: peer, body: Data(#"{"text":"\#(text)"}"#.utf8))
      }
      var shown: String?
      for await event in client.events {
        switch event {
        case .message(let message) where shown == nil:
          shown = String(buffer: message.body)
          // The last event before one leaves is acked by hand.
          client.acknowledge(message.offset)
          await client.answered()
          client.close()
        case .rejected(let rejected, isFinal: true):
          Issue.record("\(rejected)")
        case .failed(let failed):
          Issue.record("\(failed)")
        default:
          break
        }
      }
      try await group.waitForAll()
      return shown
    }
  }

  @Test func twoAppsTalk() async throws {
    let stand = try await TestStand.shared()
    let names = ["example-1", "example-2"]
    let users = names.compactMap { UserName($0) }
    func client(_ index: Int) throws -> ConnectClient {
      let endpoint = try #require(ConnectEndpoint("ws://127.0.0.1:\(stand.gateways[index].port)"))
      let phone = try #require(DeviceName("phone"))
      return ConnectClient(configuration: .init(endpoint: endpoint, device: phone)) {
        try await stand.token(names[index])
      }
    }
    let (first, second) = (try client(0), try client(1))
    async let one = self.chat(as: first, to: users[1], saying: "hello")
    async let other = self.chat(as: second, to: users[0], saying: "hi")
    #expect(try await one == #"{"text":"hi"}"#)
    #expect(try await other == #"{"text":"hello"}"#)
  }
}
