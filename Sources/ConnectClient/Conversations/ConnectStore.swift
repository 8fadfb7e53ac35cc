import ConnectProtocol
import NIOConcurrencyHelpers

/// Where a client keeps what it needs to start with its conversations on screen, offline, too, and to send what was
/// not sent: a journal of records, of which only the client knows what they mean.
///
/// ``MemoryStore`` and ``FileStore`` are such stores. A client calls one operation at a time. What an operation
/// throws is told by ``ConnectClient/ConnectClient/problems``, and the client goes on without.
public protocol ConnectStore: Sendable {
  /// Opens the journal of `owner`, and gives what it holds, in the order in which it was appended. What another
  /// owner has stored is neither given nor touched.
  func open(_ owner: StoreOwner) async throws(ConnectStoreError) -> [[UInt8]]

  /// Appends records: all of them or none. They outlive the process when this returns.
  func append(_ records: [[UInt8]]) async throws(ConnectStoreError)

  /// Replaces all records of the owner by fewer ones that say the same: all or nothing.
  func replace(with records: [[UInt8]]) async throws(ConnectStoreError)

  /// Forgets all records of the owner, and is open for new ones.
  func erase() async throws(ConnectStoreError)

  /// Lets go of what is open.
  func close() async
}

/// Whose conversations a store holds: each user at each server on each device has a journal of its own.
public struct StoreOwner: Hashable, Sendable {
  /// The user.
  public let user: UserName
  /// The address of the server.
  public let server: ConnectEndpoint
  /// The device.
  public let device: DeviceName

  /// An owner with everything chosen.
  public init(user: UserName, server: ConnectEndpoint, device: DeviceName) {
    self.user = user
    self.server = server
    self.device = device
  }
}

extension StoreOwner: CustomStringConvertible {
  /// One line that no two owners share.
  public var description: String { "\(self.user) \(self.device) \(self.server)" }
}

/// Why a store failed.
public enum ConnectStoreError: Error, Hashable, Sendable {
  /// There is no room.
  case full(String)
  /// What it holds cannot be read; it says where.
  case damaged(String)
  /// It cannot be used, as when another process has it open; it says why.
  case unavailable(String)
}

extension ConnectStoreError: CustomStringConvertible {
  /// One short sentence without a full stop, for a person to read.
  public var description: String {
    switch self {
    case .full(let why): "there is no room to store conversations: \(why)"
    case .damaged(let why): "the stored conversations cannot be read: \(why)"
    case .unavailable(let why): "conversations cannot be stored: \(why)"
    }
  }
}

/// A store that lives as long as the object: for tests, and for apps that keep nothing on the device.
public final class MemoryStore: ConnectStore {
  private struct State {
    var journals: [StoreOwner: [[UInt8]]] = [:]
    var owner: StoreOwner?
  }

  private let state = NIOLockedValueBox(State())

  /// A store without anything.
  public init() {}

  /// Gives what was appended for the owner.
  public func open(_ owner: StoreOwner) -> [[UInt8]] {
    self.state.withLockedValue { state in
      state.owner = owner
      return state.journals[owner] ?? []
    }
  }

  /// Keeps the records.
  public func append(_ records: [[UInt8]]) {
    self.state.withLockedValue { state in
      guard let owner = state.owner else { return }
      state.journals[owner, default: []] += records
    }
  }

  /// Keeps these only.
  public func replace(with records: [[UInt8]]) {
    self.state.withLockedValue { state in
      guard let owner = state.owner else { return }
      state.journals[owner] = records
    }
  }

  /// Keeps none.
  public func erase() { self.replace(with: []) }

  /// Does nothing: another client may open it.
  public func close() {}
}
