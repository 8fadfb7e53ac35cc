import ConnectClient
import ConnectProtocol
import Foundation
import NIOCore

/// Says one thing to `peer`, and shows what comes, until the task is cancelled.
func chat(
  at endpoint: ConnectEndpoint, as device: DeviceName, with peer: UserName, saying text: String,
  token: @escaping @Sendable () async throws -> String,
  show: @Sendable (UserName, String) throws -> Void
) async throws {
  let client = ConnectClient(
    configuration: ConnectClientConfiguration(endpoint: endpoint, device: device), token: token)
  try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask { try await client.run() }  // Stays connected.
    group.addTask {
      // Returns when the message is durable.
      try await client.send(to: peer, body: JSONEncoder().encode(["text": text]), copy: true)
    }
    for await event in client.events {  // Acks an event when the next one is asked for.
      switch event {
      case .message(let message): try show(message.from, String(buffer: message.body))
      case .failed(let failed): print("\(failed.id) could not be stored: \(failed.code)")
      case .disconnected(let end, let retryIn?): print("offline for \(retryIn): \(end)")
      default: break
      }
    }
    try await group.waitForAll()
  }
}
