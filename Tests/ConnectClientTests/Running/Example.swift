import ConnectClient
import ConnectProtocol

/// What these apps say: `{"text": "…"}`.
struct Note: Codable { var text: String }

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
      try await client.send(to: peer, body: Note(text: text), copy: true)
    }
    for await event in client.events {  // Acks an event when the next one is asked for.
      switch event {
      case .message(let message):
        // Another app may have sent something else.
        let note = try? message.body.decode(Note.self)
        try show(message.from, note?.text ?? message.body.json)
      case .failed(let failed): print("\(failed.id) could not be stored: \(failed.code)")
      case .disconnected(let end, let retryIn?): print("offline for \(retryIn): \(end)")
      default: break
      }
    }
    try await group.waitForAll()
  }
}
