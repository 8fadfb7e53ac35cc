import ConnectClient
import ConnectProtocol
import ConnectTestStand
import NIOConcurrencyHelpers
import TestSupport
import Testing

/// An app, as the documentation of `ConnectClient` shows it, with nothing but the library's public
/// interface.
@Suite struct ExampleTests {
  /// Says one thing, and leaves when one thing has come.
  private func exchange(
    as client: ConnectClient, to peer: UserName, saying text: String
  ) async throws -> String? {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await client.run() }
      group.addTask {
        try await client.send(to: peer, body: ["text": text])
      }
      var shown: String?
      for await event in client.events {
        switch event {
        case .message(let message) where shown == nil:
          shown = message.body.json
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
    async let one = self.exchange(as: first, to: users[1], saying: "hello")
    async let other = self.exchange(as: second, to: users[0], saying: "hi")
    #expect(try await one == #"{"text":"hi"}"#)
    #expect(try await other == #"{"text":"hello"}"#)
  }

  @Test func theExampleOfTheDocumentationChats() async throws {
    let stand = try await TestStand.shared()
    let names = ["example-3", "example-4"]
    let users = names.compactMap { UserName($0) }
    let shown = NIOLockedValueBox<[UserName: String]>([:])
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (index, gateway) in stand.gateways.prefix(2).enumerated() {
        let endpoint = try #require(ConnectEndpoint("ws://127.0.0.1:\(gateway.port)"))
        group.addTask {
          try await chat(
            at: endpoint, as: .default, with: users[1 - index], saying: "I am \(names[index])",
            token: { try await stand.token(names[index]) },
            show: { from, text in shown.withLockedValue { $0[from] = text } })
        }
      }
      try await eventually("each sees what the other says") {
        shown.withLockedValue { $0.count } == 2
      }
      group.cancelAll()
    }
    #expect(
      shown.withLockedValue { $0 } == [
        users[0]: "I am example-3", users[1]: "I am example-4",
      ])
  }
}
