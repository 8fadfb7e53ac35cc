import ConnectClient
import ConnectProtocol

/// What the messages of this app say: `{"text": "…"}`.
struct Line: Codable { var text: String }

/// Shows the list of conversations and the one with `peer`, and sends what the user types.
func runApp(
  _ client: ConnectClient, with peer: UserName, typed: AsyncStream<String>,
  show: @escaping @Sendable (String) -> Void
) async {
  let chat = client.conversation(with: peer)
  await withTaskGroup(of: Void.self) { group in
    group.addTask {
      // Stays connected, until the task is cancelled or it makes no sense any more.
      do throws(ConnectionEnd) { try await client.run() } catch { show("stopped: \(error)") }
    }
    group.addTask {
      for await list in client.conversations.updates {
        for item in list.items { show("\(item.peer.name): \(item.unread) unread") }
      }
    }
    group.addTask {
      for await now in chat.updates {
        for entry in now.entries {
          let text = (try? entry.body.decode(Line.self))?.text ?? entry.body.json
          show("\(entry.from): \(text) (\(entry.state))")
        }
        chat.markRead()  // All of it is on the screen.
      }
    }
    group.addTask {
      for await text in typed {
        do throws(ConnectSendError) {
          try chat.send(Line(text: text))
        } catch { show("not sent: \(error)") }
      }
    }
  }
}
