import Foundation
import LocalRedis
import NIOCore
import TestSupport
import Testing

@testable import Redis

@Suite("A password in a file", .timeLimit(.minutes(20)))
struct PasswordFileTests {
  private func withFile<Result>(
    _ content: Data, _ body: (String) async throws -> Result
  ) async throws -> Result {
    let file = try TemporaryFile(content)
    defer { file.remove() }
    return try await body(file.path)
  }

  @Test(
    "is what stands there, without the line ends behind it",
    arguments: [
      ("secret", "secret"), ("secret\n", "secret"), ("secret\r\n\n", "secret"), (" a b ", " a b "),
      ("a\nb\n", "a\nb"), ("é", "é"), (String(repeating: "x", count: 4_096), nil),
    ])
  func content(text: String, password: String?) async throws {
    try await withFile(Data(text.utf8)) { path in
      #expect(PasswordFile.read(path) == .success(password ?? text))
    }
  }

  @Test("that cannot be read is refused with the reason, and the file's name")
  func refusals() async throws {
    func reason(_ content: Data) async throws -> String {
      try await withFile(content) { path in
        guard case .failure(.unavailable(let reason)) = PasswordFile.read(path) else { return "" }
        let prefix = "cannot read the password file \(path): "
        #expect(reason.hasPrefix(prefix))
        return String(reason.dropFirst(prefix.count))
      }
    }
    #expect(try await reason(Data()) == "it is empty")
    #expect(try await reason(Data("\r\n\n".utf8)) == "it is empty")
    let notUTF8 = "it is not UTF-8; save it as UTF-8 without a byte order mark"
    #expect(try await reason(Data([0x61, 0xff])) == notUTF8)
    #expect(try await reason(Data(repeating: 65, count: 4_097)) == "it has more than 4096 bytes")
    for (path, expected) in [
      ("/nowhere/password", "No such file or directory"), ("/", "directory"),
    ] {
      guard case .failure(.unavailable(let reason)) = PasswordFile.read(path) else {
        Issue.record("\(path) was read")
        continue
      }
      #expect(reason.contains(expected))
    }
  }

  /// A text in UTF-16, its low bytes first or last.
  private static func utf16(_ text: String, lowFirst: Bool) -> Data {
    var data = Data()
    for unit in text.utf16 {
      let bytes = [UInt8(unit & 0xff), UInt8(unit >> 8)]
      data.append(contentsOf: lowFirst ? bytes : bytes.reversed())
    }
    return data
  }

  private static let encodings: [(Data, SecretFile.Unreadable)] = [
    (Data("\u{feff}secret\n".utf8), .byteOrderMark), (Data("\u{feff}".utf8), .byteOrderMark),
    (utf16("\u{feff}secret\r\n", lowFirst: true), .utf16),
    (utf16("\u{feff}secret", lowFirst: false), .utf16),
    (utf16("secret", lowFirst: true), .utf16), (utf16("secret", lowFirst: false), .utf16),
    (utf16("\u{feff}пароль", lowFirst: true), .utf16),
  ]

  @Test(
    "that an editor has saved in another encoding is refused with what to do",
    arguments: encodings)
  func encoding(content: Data, reason: SecretFile.Unreadable) async throws {
    try await withFile(content) { path in
      #expect(
        PasswordFile.read(path)
          == .failure(.unavailable("cannot read the password file \(path): \(reason)")))
    }
    #expect(reason.description.contains("save it as UTF-8 without"))
    #expect(reason.isLasting)
  }

  @Test("that need not be text may hold any bytes, but for those of another encoding")
  func bytes() async throws {
    let random: [UInt8] = [0xff, 0xfe, 0x00, 0x9a, 0xc3, 0x28]
    try await withFile(Data(random + [13, 10])) { path in
      #expect(SecretFile.bytes(of: path, limit: 100) == .success(random))
      #expect(SecretFile.bytes(of: path, limit: 7) == .failure(.tooLong(limit: 7)))
    }
    try await withFile(Data([0xef, 0xbb, 0xbf] + random)) { path in
      #expect(SecretFile.bytes(of: path, limit: 100) == .failure(.byteOrderMark))
    }
  }

  @Test("that cannot be read is what a client says that it is not connected for")
  func unreadable() async throws {
    let url = try await SharedRedis.server().url
    for mode in RedisMode.allCases {
      await #expect {
        try await withFactory(url, mode: mode, passwordFile: "/nowhere/password") { _ in }
      } throws: {
        "\($0)".contains("cannot read the password file /nowhere/password: No such file")
      }
    }
  }

  @Test("is read for each connection, so that it can be changed", arguments: [false, true])
  func rotation(isCluster: Bool) async throws {
    func run(_ url: String, _ nodes: [LocalRedisServer]) async throws {
      for node in nodes {
        try await node.command("ACL", "SETUSER", "app", "on", ">first", "~*", "+@all")
      }
      let login = url.replacing("redis://", with: "redis://app:of-the-url@")
      try await withFile(Data("first\n".utf8)) { path in
        try await withFactory(login, passwordFile: path) { factory in
          try await factory.withClient { client in
            let keys = (0..<20).map { RedisKey("rotation:\($0)") }
            func failures() async -> [RedisError] {
              var batch = RedisBatch()
              for key in keys { batch.append(key: key, "SET", "\(key)", "x") }
              let replies = await client.execute(batch)
              return (0..<20).compactMap { replies.failure($0) }
            }
            func expectServed() async throws {
              let isServed = try await eventually { await failures().isEmpty }
              #expect(isServed)
            }
            try await expectServed()
            for node in nodes {
              try await node.command("ACL", "SETUSER", "app", ">second")
            }
            try Data("second\n".utf8).write(to: URL(fileURLWithPath: path))
            for node in nodes {
              try await node.command("ACL", "SETUSER", "app", "<first")
              try await node.command("CLIENT", "KILL", "USER", "app")
            }
            try await expectServed()
            // Without it, no connection comes about, and what is submitted says why.
            try FileManager.default.removeItem(atPath: path)
            for node in nodes { try await node.command("CLIENT", "KILL", "USER", "app") }
            let isReported = try await eventually {
              let failures = await failures()
              return failures.count == 20
                && failures.allSatisfy { "\($0)".contains("cannot read the password file") }
            }
            #expect(isReported)
            try Data("second".utf8).write(to: URL(fileURLWithPath: path))
            try await expectServed()
          }
        }
      }
    }
    if isCluster {
      try await RedisFixture.withCluster { try await run($0.url, $0.nodes) }
    } else {
      try await RedisFixture.withServer { try await run($0.url, [$0]) }
    }
  }
}
