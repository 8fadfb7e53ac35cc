import ConnectClient
import ConnectProtocol
import Foundation
import Settings

/// One run of `connect chat`: input goes to the client, events to the output.
final class ChatSession: Sendable {
  struct Options: Sendable {
    /// Only texts on standard output, everything else on standard error.
    var isPipe: Bool
    var readsInput: Bool
    /// End after this many messages from the peer; nil for no end.
    var count: Int?
  }

  /// The longest line to read, in bytes: more than any gateway accepts by default.
  static let maximumLineBytes = 1 << 20

  private let client: ConnectClient
  private let peer: UserName
  private let options: Options
  private let view: any ChatView
  private let questions: ChatQuestions

  init(
    client: ConnectClient, user: UserName, peer: UserName, endpoint: ConnectEndpoint,
    options: Options
  ) {
    self.client = client
    self.peer = peer
    self.options = options
    self.questions = ChatQuestions(client: client, user: user, peer: peer)
    self.view =
      options.isPipe
      ? PipeView(peer: peer, endpoint: endpoint)
      : PeopleView(user: user, peer: peer, endpoint: endpoint)
  }

  func run() async throws {
    self.view.start()
    let result: Result<Void, any Error> = await withTaskGroup(of: Result<Void, any Error>?.self) {
      group in
      group.addTask {
        do throws(ConnectionEnd) {
          try await self.client.run()
          return .success(())
        } catch {
          return .failure(Failure(.running, "\(error)"))
        }
      }
      group.addTask {
        do {
          try await self.readInput()
          return nil
        } catch {
          self.client.close()
          return .failure(error)
        }
      }
      let count = await self.showEvents()
      group.cancelAll()
      var result: Result<Void, any Error> = .success(())
      for await ended in group {
        if case .failure = ended, case .success = result { result = ended ?? result }
      }
      if case .success = result { return self.outcome(received: count) }
      return result
    }
    self.view.end()
    try result.get()
  }

  /// Result of a session that ended without an error.
  private func outcome(received: Int) -> Result<Void, any Error> {
    if let problem = self.view.problem { return .failure(Failure(.running, problem)) }
    if let count = self.options.count, received < count, !self.view.isClosed {
      return .failure(Failure(.running, "ended after \(received) of \(count) messages"))
    }
    return .success(())
  }

  // MARK: Input

  private func readInput() async throws {
    guard self.options.readsInput else { return }
    let input = StandardInput()
    var splitter = LineSplitter(maximumBytes: Self.maximumLineBytes)
    do {
      // What is asked is answered while more is typed.
      try await withThrowingDiscardingTaskGroup { questions in
        while let bytes = try await input.read() {
          let (lines, fault) = splitter.append(bytes)
          for line in lines { try await self.typed(line, &questions) }
          if let fault { throw fault }
        }
        if !Task.isCancelled, let line = try splitter.finish() {
          try await self.typed(line, &questions)
        }
      }
    } catch let fault as LineSplitter.Fault {
      await input.close()
      // The lines before it are messages like any.
      await self.client.answered()
      throw Failure(.running, Self.text(of: fault))
    } catch ConnectSendError.ended, ConnectSendError.cancelled {
      // Whatever ended the client is told by it.
    }
    await input.close()
    if self.options.count == nil { await self.finish() }
  }

  private static func text(of fault: LineSplitter.Fault) -> String {
    switch fault {
    case .tooLong: "a line of input is longer than \(Self.maximumLineBytes) bytes"
    case .notUTF8(let line):
      "line \(line) of the input is not UTF-8; neither it nor what follows was sent"
    }
  }

  private func typed(
    _ line: String, _ questions: inout ThrowingDiscardingTaskGroup<any Error>
  ) async throws {
    guard !self.options.isPipe else { return try await self.send(line, typed: line) }
    let input = ChatInput(ChatBody.typed(line))
    if case .message(let text) = input { return try await self.send(text, typed: line) }
    self.view.typedNothing(line)
    switch input {
    case .nothing, .message: break
    case .fault(let what): self.view.show(["-- \(what)"])
    case .history(let count):
      questions.addTask { self.view.show(await self.questions.history(count)) }
    case .who:
      questions.addTask { self.view.show(await self.questions.who()) }
    }
  }

  private func send(_ text: String, typed line: String) async throws {
    let id = MessageID.unique()
    // Before it goes out, so that the answer finds it.
    self.view.sending(text, typed: line, id: id)
    try await self.client.enqueue(
      to: self.peer, id: id, body: MessageBody(json: ChatBody.encode(text)),
      receipt: !self.options.isPipe,
      copy: !self.options.isPipe)
  }

  /// Returns when all messages are answered.
  private func finish() async {
    await self.client.answered()
    self.client.close()
  }

  // MARK: Events

  /// - Returns: Number of messages from the peer.
  private func showEvents() async -> Int {
    await withTaskGroup(of: Void.self) { group in
      var received = 0
      for await event in self.client.events {
        guard self.view.show(event) else {
          // Nobody reads the output any more. What was not shown is not acked.
          self.client.close()
          continue
        }
        guard case .message(let message) = event, message.from == self.peer else { continue }
        received += 1
        if !self.options.isPipe { self.client.read(self.peer, through: message.offset) }
        if received == self.options.count {
          self.client.acknowledge(message.offset)
          if !self.options.readsInput {
            // What came with it is neither shown nor acked, and comes again another time.
            self.client.close()
            return received
          }
          group.addTask { await self.finish() }
        }
      }
      return received
    }
  }
}

/// The output of a chat.
protocol ChatView: Sendable {
  func start()
  /// `text` will be sent; `typed` is the line as it was read.
  func sending(_ text: String, typed: String, id: MessageID)
  /// A line was read that is not a message.
  func typedNothing(_ typed: String)
  /// Lines that were asked for.
  func show(_ lines: [String])
  /// - Returns: False when nobody reads the output any more.
  func show(_ event: ConnectEvent) -> Bool
  func end()
  var problem: String? { get }
  /// Whether nobody reads the output any more.
  var isClosed: Bool { get }
}
