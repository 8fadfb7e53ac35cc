import ConnectProtocol
import NIOConcurrencyHelpers
import TestSupport

@testable import ConnectClient

/// A client that keeps conversations, and runs for the length of a test.
enum Conversing {
  @discardableResult
  static func with<Result>(
    _ endpoint: ConnectEndpoint, as user: UserName = alice, store: any ConnectStore = MemoryStore(),
    token: @escaping @Sendable () async throws -> String = { "token" },
    _ body: (ConnectClient) async throws -> Result
  ) async throws -> Result {
    let client = ConnectClient(url: endpoint, user: user, store: store, token: token)
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try? await client.run() }
      let result = try await body(client)
      client.close()
      try await group.waitForAll()
      return result
    }
  }
}

extension Conversation {
  /// The texts of its entries, each with the state.
  var shown: [String] { self.entries.map { "\($0.body) \($0.state)" } }

  func shows(_ expected: [String]) async throws {
    try await eventually("\(self.name) shows \(expected), not \(self.shown)") {
      self.shown == expected
    }
  }
}

/// A store that fails when a test wants it to.
final class FailingStore: ConnectStore {
  private let memory: MemoryStore
  private let failure = NIOLockedValueBox<ConnectStoreError?>(nil)

  init(_ memory: MemoryStore = MemoryStore()) { self.memory = memory }

  func fail(_ error: ConnectStoreError?) { self.failure.withLockedValue { $0 = error } }

  private func check() throws(ConnectStoreError) {
    if let error = self.failure.withLockedValue({ $0 }) { throw error }
  }

  func open(_ owner: StoreOwner) async throws(ConnectStoreError) -> [[UInt8]] {
    try self.check()
    return self.memory.open(owner)
  }

  func append(_ records: [[UInt8]]) async throws(ConnectStoreError) {
    try self.check()
    self.memory.append(records)
  }

  func replace(with records: [[UInt8]]) async throws(ConnectStoreError) {
    try self.check()
    self.memory.replace(with: records)
  }

  func erase() async throws(ConnectStoreError) {
    try self.check()
    self.memory.erase()
  }

  func close() async {}
}
