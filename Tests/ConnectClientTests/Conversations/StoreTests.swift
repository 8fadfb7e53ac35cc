import ConnectProtocol
import Foundation
import LocalRedis
import Testing

@testable import ConnectClient

@Suite("A store")
struct StoreTests {
  private let owner = StoreOwner(
    user: alice, server: ConnectEndpoint("wss://chat.example.com")!, device: .default)
  private let records = ["one", "two", "{\"three\":3}"].map { Array($0.utf8) }

  /// Runs a test in a directory of its own.
  private func withDirectory(_ body: (String) async throws -> Void) async throws {
    let directory = try TemporaryDirectory()
    defer { directory.remove() }
    try await body(directory.path.string)
  }

  private func file(in directory: String) throws -> String {
    let files = try FileManager.default.contentsOfDirectory(atPath: directory)
      .filter { $0.hasSuffix(".log") }
    return "\(directory)/\(try #require(files.first))"
  }

  /// A store that is closed again, and its file.
  private func closedStore(
    in directory: String, with records: [[UInt8]] = []
  ) async throws -> (FileStore, path: String) {
    let store = FileStore(directory: directory)
    _ = try await store.open(self.owner)
    if !records.isEmpty { try await store.append(records) }
    await store.close()
    return (store, try self.file(in: directory))
  }

  @Test("in a file gives what was appended, in order, to whoever opens it next")
  func file() async throws {
    try await self.withDirectory { directory in
      let store = FileStore(directory: directory)
      #expect(try await store.open(self.owner).isEmpty)
      try await store.append([self.records[0]])
      try await store.append(Array(self.records[1...]))
      await store.close()
      let next = FileStore(directory: directory, sync: .never)
      #expect(try await next.open(self.owner) == self.records)
      try await next.replace(with: [self.records[2]])
      try await next.append([self.records[0]])
      await next.close()
      #expect(try await store.open(self.owner) == [self.records[2], self.records[0]])
      try await store.erase()
      await store.close()
      #expect(try await next.open(self.owner).isEmpty)
    }
  }

  @Test("keeps owners apart, by user, server and device")
  func owners() async throws {
    let others = [
      StoreOwner(user: bob, server: self.owner.server, device: .default),
      StoreOwner(user: alice, server: ConnectEndpoint("ws://localhost")!, device: .default),
      StoreOwner(user: alice, server: self.owner.server, device: DeviceName("phone")!),
    ]
    try await self.withDirectory { directory in
      for store in [FileStore(directory: directory), MemoryStore()] as [any ConnectStore] {
        _ = try await store.open(self.owner)
        try await store.append(self.records)
        await store.close()
        for other in others {
          #expect(try await store.open(other).isEmpty)
          try await store.append([self.records[1]])
          await store.close()
        }
        #expect(try await store.open(self.owner) == self.records)
        await store.close()
      }
    }
  }

  @Test("in a file loses no more than the record that a crash has cut off")
  func tornRecord() async throws {
    try await self.withDirectory { directory in
      let (store, path) = try await self.closedStore(in: directory, with: self.records)
      let whole = try Data(contentsOf: URL(fileURLWithPath: path))
      let lastLine = String(decoding: whole, as: UTF8.self).split(separator: "\n").last!
      for cut in 1...lastLine.utf8.count {
        try whole.dropLast(cut).write(to: URL(fileURLWithPath: path))
        #expect(try await store.open(self.owner) == Array(self.records.dropLast()))
        // What is appended then stands on a line of its own.
        try await store.append([self.records[0]])
        await store.close()
        #expect(
          try await store.open(self.owner) == self.records.dropLast() + [self.records[0]])
        await store.close()
      }
    }
  }

  @Test("in a file tells of damage, moves it aside, and begins again")
  func damage() async throws {
    try await self.withDirectory { directory in
      let (store, path) = try await self.closedStore(in: directory, with: self.records)
      var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      let place = try #require(bytes.firstRange(of: Data("two".utf8))?.lowerBound)
      bytes[place] ^= 1
      try bytes.write(to: URL(fileURLWithPath: path))
      await #expect(throws: ConnectStoreError.damaged("\(path), line 3")) {
        try await store.open(self.owner)
      }
      #expect(try Data(contentsOf: URL(fileURLWithPath: path + ".damaged")) == bytes)
      #expect(try await store.open(self.owner).isEmpty)
      try await store.append(self.records)
      await store.close()
      #expect(try await store.open(self.owner) == self.records)
    }
  }

  @Test("in a file begins without a word where a crash left half of the first line")
  func tornHeader() async throws {
    try await self.withDirectory { directory in
      let (store, path) = try await self.closedStore(in: directory)
      let header = try Data(contentsOf: URL(fileURLWithPath: path))
      for length in 1..<header.count {
        try header.prefix(length).write(to: URL(fileURLWithPath: path))
        #expect(try await store.open(self.owner).isEmpty)
        try await store.append(self.records)
        await store.close()
        #expect(try await store.open(self.owner) == self.records)
        await store.close()
      }
    }
  }

  @Test("in a file that is too large moves it aside, and begins again")
  func tooLarge() async throws {
    try await self.withDirectory { directory in
      let (store, path) = try await self.closedStore(in: directory)
      #expect(truncate(path, off_t(ConnectClientLimits.storeBytes + 1)) == 0)
      await #expect(throws: ConnectStoreError.self) { try await store.open(self.owner) }
      #expect(FileManager.default.fileExists(atPath: path + ".damaged"))
      #expect(try await store.open(self.owner).isEmpty)
      await store.close()
    }
  }

  @Test("in a file is used by one client at a time, and says where it cannot be")
  func unavailable() async throws {
    try await self.withDirectory { directory in
      let store = FileStore(directory: directory)
      _ = try await store.open(self.owner)
      let other = FileStore(directory: directory)
      let path = try self.file(in: directory)
      await #expect(
        throws: ConnectStoreError.unavailable(
          "\(path) is open in another client: close that first")
      ) { try await other.open(self.owner) }
      // A compaction gives nobody else the file.
      try await store.replace(with: self.records)
      await #expect(throws: ConnectStoreError.self) { try await other.open(self.owner) }
      await store.close()
      #expect(try await other.open(self.owner) == self.records)
    }
    let nowhere = FileStore(directory: "/nowhere")
    await #expect(throws: ConnectStoreError.self) { try await nowhere.open(self.owner) }
    await #expect(throws: ConnectStoreError.unavailable("it is not open")) {
      try await nowhere.append(self.records)
    }
  }
}
