import ConnectProtocol
import DequeModule
import NIOConcurrencyHelpers
import NIOCore
import TestSupport

@testable import ConnectClient
@testable import ConnectTestStand

/// A client that runs for the length of a test, its events kept for the test to look at.
final class RunningClient: Sendable {
  let client: ConnectClient
  private let events = NIOLockedValueBox(Deque<ConnectEvent>())
  private let result = NIOLockedValueBox<Result<Void, ConnectionEnd>?>(nil)

  private init(_ client: ConnectClient) { self.client = client }

  /// - Parameter consumes: whether the events are consumed as they come.
  @discardableResult
  static func with<Result>(
    _ endpoint: ConnectEndpoint, consumes: Bool = true,
    configure: (inout ConnectClientConfiguration) -> Void = { _ in },
    token: @escaping @Sendable () async throws -> String = { "token" },
    _ body: (RunningClient) async throws -> Result
  ) async throws -> Result {
    var configuration = ConnectClientConfiguration(endpoint: endpoint)
    configure(&configuration)
    let running = RunningClient(ConnectClient(configuration: configuration, token: token))
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        do throws(ConnectionEnd) {
          try await running.client.run()
          running.result.withLockedValue { $0 = .success(()) }
        } catch {
          running.result.withLockedValue { $0 = .failure(error) }
        }
      }
      if consumes { group.addTask { await running.consume() } }
      let result = try await body(running)
      group.cancelAll()
      return result
    }
  }

  /// Takes events until there are no more.
  func consume() async {
    for await event in self.client.events { self.events.withLockedValue { $0.append(event) } }
  }

  /// The next event that `pick` takes; those before it are passed over, and a failure quotes the last
  /// of them.
  func next<Value>(
    _ what: String, _ pick: (ConnectEvent) -> Value?
  ) async throws -> Value {
    var passed: [ConnectEvent] = []
    func quotes() -> String {
      passed.suffix(TestLimits.quotedFrames).map { "\($0)" }.joined(separator: " | ")
    }
    return try await eventually("the client tells of \(what); it told of \(quotes())") {
      self.events.withLockedValue { events in
        while let event = events.popFirst() {
          if let value = pick(event) { return value }
          passed.append(event)
        }
        return nil
      }
    }
  }

  func connected() async throws {
    try await self.next("connected") { if case .connected = $0 { () } else { nil } }
  }

  func live() async throws {
    try await self.next("live") { if case .live = $0 { () } else { nil } }
  }

  func message() async throws -> IncomingMessage {
    try await self.next("a message") { if case .message(let message) = $0 { message } else { nil } }
  }

  func accepted() async throws -> (id: MessageID, offset: Offset) {
    try await self.next("accepted") {
      if case .accepted(let id, let offset) = $0 { (id, offset) } else { nil }
    }
  }

  func disconnected() async throws -> (end: ConnectionEnd, retryIn: Duration?) {
    try await self.next("disconnected") {
      if case .disconnected(let end, let retryIn) = $0 { (end, retryIn) } else { nil }
    }
  }

  /// How `run` ended; nil if by itself.
  func ended() async throws -> ConnectionEnd? {
    let result = try await eventually("the client ends") { self.result.withLockedValue { $0 } }
    if case .failure(let end) = result { return end }
    return nil
  }

  @discardableResult
  func enqueue(_ number: Int, to: UserName = bob, receipt: Bool = false) async throws -> MessageID {
    try await self.client.enqueue(
      to: to, id: messageID(number), body: MessageBody(json: "\(number)"), receipt: receipt)
  }
}
