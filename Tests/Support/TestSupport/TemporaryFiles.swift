import Foundation

/// Runs a test with a directory of its own, and removes it with all that is in it.
package func withTemporaryDirectory<Result>(
  _ body: (String) async throws -> Result
) async throws -> Result {
  let url = FileManager.default.temporaryDirectory
    .appendingPathComponent("connect-test-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: url) }
  return try await body(url.path)
}

/// A file for one test, which removes it.
package struct TemporaryFile: Sendable {
  package let path: String

  package init(_ content: some Sequence<UInt8>, permissions: Int = 0o600) throws {
    self.path =
      FileManager.default.temporaryDirectory
      .appendingPathComponent("connect-test-\(UUID().uuidString)").path
    try self.write(content)
    try FileManager.default.setAttributes([.posixPermissions: permissions], ofItemAtPath: self.path)
  }

  package func write(_ content: some Sequence<UInt8>) throws {
    try Data(content).write(to: URL(fileURLWithPath: self.path))
  }

  package func remove() { try? FileManager.default.removeItem(atPath: self.path) }
}
