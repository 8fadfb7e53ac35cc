import ConnectProtocol
import TestSupport

extension TestSocket {
  /// Sends a `presence`.
  package func sendPresence(_ users: [String], id: String? = nil, watch: Bool = false) {
    let names = users.map { "\"\($0)\"" }.joined(separator: ",")
    let id = id.map { #","id":"\#($0)""# } ?? ""
    self.sendText(#"{"type":"presence","users":[\#(names)],"watch":\#(watch)\#(id)}"#)
  }

  /// The next frame, which must be `presence` with this id.
  package func expectPresence(
    id: String? = nil
  ) async throws -> [String: ServerFrame.Presence.Status] {
    let frame = try await self.expectFrame(type: "presence")
    guard case .presence(let presence) = frame.frame, presence.id?.text == id else {
      throw frame.misread
    }
    return Dictionary(uniqueKeysWithValues: presence.users.map { ($0.key.text, $0.value) })
  }
}
