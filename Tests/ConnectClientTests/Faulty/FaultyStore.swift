import ConnectProtocol
import NIOConcurrencyHelpers

@testable import ConnectClient

/// A store that is slow, and full at will, and of which a process can lose hold as when it is killed: what it writes from
/// then on is not there.
final class FaultyStore: Sendable {
  private struct Journal {
    var records: [[UInt8]] = []
    var keys: Set<Conversation.Entry.Key> = []
  }

  private struct State {
    var journals: [StoreOwner: Journal] = [:]
    var isFull = false
    /// The process that has a journal open.
    var processes: [StoreOwner: Int] = [:]
  }

  private let state = NIOLockedValueBox(State())

  func fill() { self.state.withLockedValue { $0.isFull = true } }

  var isFull: Bool { self.state.withLockedValue { $0.isFull } }

  /// Whether a message of a conversation is in it.
  func has(_ key: Conversation.Entry.Key, of owner: StoreOwner) -> Bool {
    self.state.withLockedValue { $0.journals[owner]?.keys.contains(key) ?? false }
  }

  /// The store as a new process of this owner opens it. The one before has lost hold of it.
  func open(_ owner: StoreOwner, for process: Int) -> any ConnectStore {
    self.state.withLockedValue { $0.processes[owner] = process }
    return Opened(store: self, process: process)
  }

  /// Nobody has the owner's journal open any more.
  func kill(_ owner: StoreOwner) { self.state.withLockedValue { $0.processes[owner] = nil } }

  private final class Opened: ConnectStore {
    private let store: FaultyStore
    private let process: Int
    private let owner = NIOLockedValueBox<StoreOwner?>(nil)

    init(store: FaultyStore, process: Int) {
      self.store = store
      self.process = process
    }

    /// As a disk takes its time.
    private func wait() async { try? await Task.sleep(for: .milliseconds(Int.random(in: 0...4))) }

    private func change(
      _ body: (inout Journal) throws(ConnectStoreError) -> Void
    ) async throws(ConnectStoreError) {
      await self.wait()
      let owner = self.owner.withLockedValue { $0 }
      let error = self.store.state.withLockedValue { state -> ConnectStoreError? in
        guard let owner, state.processes[owner] == self.process else { return nil }
        if state.isFull { return .full("as the test wants it") }
        do throws(ConnectStoreError) {
          try body(&state.journals[owner, default: Journal()])
          return nil
        } catch {
          return error
        }
      }
      if let error { throw error }
    }

    func open(_ owner: StoreOwner) async throws(ConnectStoreError) -> [[UInt8]] {
      await self.wait()
      self.owner.withLockedValue { $0 = owner }
      return self.store.state.withLockedValue { $0.journals[owner]?.records ?? [] }
    }

    func append(_ records: [[UInt8]]) async throws(ConnectStoreError) {
      try await self.change { journal in
        journal.records += records
        for record in records {
          switch try? BookRecord(bytes: record) {
          case .entry(let entry)?, .again(let entry)?: journal.keys.insert(entry.key)
          default: break
          }
        }
      }
    }

    func replace(with records: [[UInt8]]) async throws(ConnectStoreError) {
      try await self.change { $0.records = records }
    }

    func erase() async throws(ConnectStoreError) { try await self.replace(with: []) }

    func close() async {}
  }
}
