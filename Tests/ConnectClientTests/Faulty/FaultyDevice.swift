import ConnectProtocol
import Foundation
import NIOConcurrencyHelpers

@testable import ConnectClient

/// A user's client on a device, which can be killed and started again.
final class FaultyDevice: Sendable {
  /// The processes of all plays: each has a number of its own.
  private static let processes = NIOLockedValueBox(0)

  private struct State {
    var client: ConnectClient?
    var running: Task<Void, Never>?
    var process = 0
    /// The user whose token it has by mistake.
    var stranger: UserName?
  }

  let user: UserName
  let name: DeviceName
  let store: FaultyStore
  private let gateway: FaultyGateway
  private let state = NIOLockedValueBox(State())

  init(_ user: UserName, _ name: DeviceName, store: FaultyStore, gateway: FaultyGateway) {
    self.user = user
    self.name = name
    self.store = store
    self.gateway = gateway
  }

  var client: ConnectClient? { self.state.withLockedValue { $0.client } }

  /// As a gateway of Connect takes them, so that a client can tell whose one is. It is not signed: it names the process.
  private static func token(of user: UserName, _ process: Int) -> String {
    let claims = Data(#"{"sub":"\#(user)"}"#.utf8).base64EncodedString()
      .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    return "e30.\(claims).\(process)"
  }

  private var owner: StoreOwner {
    StoreOwner(user: self.user, server: self.gateway.endpoint, device: self.name)
  }

  func isStored(_ key: Conversation.Entry.Key) -> Bool { self.store.has(key, of: self.owner) }

  /// Whether it has a message: in its store or, when that has failed, in memory.
  private func keeps(_ key: Conversation.Entry.Key, _ offset: Offset?) -> Bool {
    if self.isStored(key) { return true }
    guard self.store.isFull, let client = self.client else { return false }
    return client.conversationKeeper.withState { state in
      state.book.logs.values.contains { log in
        // Behind a gap it is history, which is asked for.
        log.entries(floor: .zero).contains { $0.key == key } || offset ?? log.start < log.start
      }
    }
  }

  /// - Parameter stranger: whose token it gets first, by mistake.
  func start(tokenOf stranger: UserName? = nil) async throws {
    let process = Self.processes.withLockedValue { number in
      number += 1
      return number
    }
    try await self.gateway.run { server in
      server.processes[process] = ClientProcess(user: self.user) { self.keeps($0, $1) }
    }
    let subject = stranger ?? self.user
    let client = ConnectClient(
      url: self.gateway.endpoint, user: self.user, device: self.name,
      store: self.store.open(self.owner, for: process)
    ) { Self.token(of: subject, process) }
    self.state.withLockedValue { state in
      state.client = client
      state.process = process
      state.stranger = stranger
      state.running = Task { try? await client.run() }
    }
  }

  /// Ends it with all that it has not written, or in an orderly way.
  func stop(kills: Bool) async throws {
    let (client, running, process) = self.state.withLockedValue {
      ($0.client, $0.running, $0.process)
    }
    if kills {
      try await self.gateway.run { $0.kill(process) }
      self.store.kill(self.owner)
    }
    client?.close()
    await running?.value
    self.state.withLockedValue { $0.client = nil }
  }

  /// Starts it again if it had the token of somebody else; it has ended then, as it must.
  func startIfEnded() async throws {
    guard case .stopped(let end)? = self.client?.state else { return }
    let stranger = self.state.withLockedValue { $0.stranger }
    if end != stranger.map({ .otherUser($0.text) }) {
      try await self.gateway.run { $0.violate("\(self.user)/\(self.name) has ended: \(end)") }
    }
    await self.state.withLockedValue { $0.running }?.value
    try await self.start()
  }

  var description: String {
    let waiting = self.client?.conversationKeeper.withState { state in
      "waits for \(state.book.outbox.count), owes \(state.book.owedReads), \(state.book.needsList)"
    }
    return "\(self.user)/\(self.name) \(self.client?.state as Any) \(waiting ?? "")"
  }

  /// Whether it is connected, and all that it has sent is answered.
  var isSettled: Bool {
    guard let client = self.client, client.state == .online else { return false }
    return client.conversationKeeper.withState { state in
      !state.book.isWaiting && !state.book.needsList && state.book.owedReads.isEmpty
    }
  }
}
