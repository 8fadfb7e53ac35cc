import ConnectProtocol
import NIOConcurrencyHelpers
import NIOPosix

/// A store in a directory: one file for each owner, to which records are appended.
///
/// A file and no database: all that is kept is read once, at the start, and never searched, so SQLite would bring a
/// build of some minutes, or a system library, for nothing. Each line has a checksum. A line that a crash has cut off
/// at the end is dropped; damage anywhere else is reported, since what follows cannot be relied upon. The client
/// rewrites the file when most of it is out of date.
public final class FileStore: ConnectStore {
  /// When what was appended is forced to the disk.
  public enum Sync: Sendable {
    /// Before each append returns: it outlives a crash of the system, and a loss of power.
    case eachAppend
    /// When the system likes: it outlives a crash of the app, and takes no wait.
    case never
  }

  private let directory: String
  private let sync: Sync
  private let file = NIOLockedValueBox<JournalFile?>(nil)

  /// - Parameters:
  ///   - directory: it must exist, and be the app's own. On a phone, one that is encrypted while it is locked.
  ///   - sync: the default loses nothing that was acked.
  public init(directory: String, sync: Sync = .eachAppend) {
    self.directory = directory
    self.sync = sync
  }

  /// Opens the owner's file, or makes it.
  public func open(_ owner: StoreOwner) async throws(ConnectStoreError) -> [[UInt8]] {
    try await self.run { file throws(ConnectStoreError) in
      file = nil
      let (opened, records) = try JournalFile.open(
        in: self.directory, owner: owner.description, syncs: self.sync == .eachAppend)
      file = opened
      return records
    }
  }

  /// Appends to the owner's file.
  public func append(_ records: [[UInt8]]) async throws(ConnectStoreError) {
    try await self.run { file throws(ConnectStoreError) in
      try Self.opened(file).append(records)
    }
  }

  /// Writes another file and puts it in the place of the owner's.
  public func replace(with records: [[UInt8]]) async throws(ConnectStoreError) {
    try await self.run { file throws(ConnectStoreError) in
      try Self.opened(file).replace(with: records)
    }
  }

  /// Puts an empty file in the place of the owner's, whatever that holds.
  public func erase() async throws(ConnectStoreError) {
    try await self.run { file throws(ConnectStoreError) in
      try Self.opened(file).replace(with: [])
    }
  }

  /// Closes the owner's file.
  public func close() async { self.file.withLockedValue { $0 = nil } }

  private static func opened(_ file: JournalFile?) throws(ConnectStoreError) -> JournalFile {
    guard let file else { throw ConnectStoreError.unavailable("it is not open") }
    return file
  }

  /// Runs on a thread that may wait for the disk.
  private func run<Value: Sendable>(
    _ body:
      @escaping @Sendable (inout JournalFile?) throws(ConnectStoreError) -> Value
  ) async throws(ConnectStoreError) -> Value {
    typealias Outcome = Result<Value, ConnectStoreError>
    // Not given up when the task is cancelled: what has happened is to be stored.
    let outcome: Outcome = await withCheckedContinuation { continuation in
      NIOThreadPool.singleton.submit { state in
        guard case .active = state else {
          let error = ConnectStoreError.unavailable("the threads for files have ended")
          return continuation.resume(returning: Outcome.failure(error))
        }
        let outcome = self.file.withLockedValue { file -> Outcome in
          do throws(ConnectStoreError) {
            return .success(try body(&file))
          } catch {
            return .failure(error)
          }
        }
        continuation.resume(returning: outcome)
      }
    }
    return try outcome.get()
  }
}
