import Foundation
import NIOCore
import NIOPosix
import Settings

/// How `infra/local/roll` reaches the stand: a socket in its directory, which only its owner may use.
///
/// The client sends a ``StandRoll/Request`` as JSON, and shows the lines that come back: each has a mark
/// before it. A client that goes away ends the rolling restart.
enum StandControl {
  /// The kind of a line.
  private enum Mark: Character {
    /// For standard output.
    case output = "1"
    /// For standard error.
    case error = "2"
    /// The exit code. No more lines follow.
    case code = "="
  }

  // MARK: The stand

  /// Serves until it is cancelled.
  ///
  /// - Parameter ready: called as soon as it can be reached.
  static func serve(_ stand: Stand, ready: () -> Void) async throws {
    let server = try await self.inDirectory(stand.options.directory.run) {
      try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .bind(unixDomainSocketPath: StandDirectory.socket, childChannelInitializer: Loopback.wrap)
    }
    ready()
    try await server.executeThenClose { connections in
      try await withThrowingDiscardingTaskGroup { group in
        for try await connection in connections {
          group.addTask { try? await self.answer(connection, stand) }
        }
      }
    }
  }

  private static func answer(_ connection: Loopback.Connection, _ stand: Stand) async throws {
    try await connection.executeThenClose { inbound, outbound in
      let (requests, continuation) = AsyncStream.makeStream(of: ByteBuffer.self)
      await withTaskGroup { group in
        group.addTask {
          do {
            for try await part in inbound { continuation.yield(part) }
          } catch {
            // The client is gone.
          }
          continuation.finish()
        }
        group.addTask {
          for await request in requests {
            return await self.roll(stand, request) { mark, text in
              for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
                try? await outbound.write(ByteBuffer(string: "\(mark.rawValue)\(line)\n"))
              }
            }
          }
        }
        await group.next()
        group.cancelAll()
      }
    }
  }

  private static func roll(
    _ stand: Stand, _ request: ByteBuffer,
    _ show: @escaping @Sendable (Mark, String) async -> Void
  ) async {
    do {
      let request = try JSONDecoder().decode(
        StandRoll.Request.self, from: Data(request.readableBytesView))
      let roll = StandRoll(stand: stand, request: request) { await show(.output, $0) }
      try await stand.rolling { try await roll.run() }
      await show(.code, "0")
    } catch is CancellationError {
      await show(.error, "roll: the stand has ended")
      await show(.code, "1")
    } catch {
      await show(.error, "roll: \(error)")
      await show(.code, "1")
    }
  }

  // MARK: infra/local/roll

  /// Asks the stand of a directory for a rolling restart, and shows what it says.
  ///
  /// - Returns: the exit code.
  static func ask(
    _ request: StandRoll.Request, of directory: StandDirectory
  ) async throws -> Int32 {
    let connection: Loopback.Connection
    do {
      connection = try await self.inDirectory(directory.run) {
        try await Loopback.bootstrap.connect(
          unixDomainSocketPath: StandDirectory.socket, channelInitializer: Loopback.wrap)
      }
    } catch {
      throw Failure(
        .running, "no stand is up on \(directory.path); start one with infra/local/up")
    }
    let request = try JSONEncoder().encode(request)
    let code: Int32? = try await connection.executeThenClose { inbound, outbound in
      try await outbound.write(ByteBuffer(bytes: request))
      var received = ByteBuffer()
      for try await part in inbound {
        received.writeImmutableBuffer(part)
        while let end = received.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
          let line = received.readString(length: end - received.readerIndex) ?? ""
          received.moveReaderIndex(forwardBy: 1)
          switch line.first.flatMap(Mark.init(rawValue:)) {
          case .output: StandOutput.show(String(line.dropFirst()))
          case .error: StandOutput.say(String(line.dropFirst()))
          case .code: return Int32(line.dropFirst())
          case nil: break
          }
        }
      }
      return nil
    }
    guard let code else { throw Failure(.running, "the stand has ended") }
    return code
  }

  /// Does something in another working directory, since the path of a socket is limited to some 100
  /// bytes.
  private static func inDirectory<Result: Sendable>(
    _ path: String, _ body: () async throws -> Result
  ) async throws -> Result {
    let before = FileManager.default.currentDirectoryPath
    guard FileManager.default.changeCurrentDirectoryPath(path) else {
      throw CocoaError(.fileNoSuchFile)
    }
    defer { _ = FileManager.default.changeCurrentDirectoryPath(before) }
    return try await body()
  }
}
