import ConnectClient
import ConnectProtocol
import Foundation
import NIOConcurrencyHelpers
import Settings

/// One run of `connect chat`: input goes into the conversation, and what it shows to the output.
final class ChatSession: Sendable {
  struct Options: Sendable {
    /// Only texts on standard output, everything else on standard error.
    var isPipe: Bool
    var readsInput: Bool
    /// End after this many messages from the peer; nil for no end.
    var count: Int?
  }

  /// What has arrived.
  private struct Counts {
    /// Messages from the peer.
    var received = 0
    /// Own messages, of a pipe, that are not sent, and that are not delivered.
    var rejected = 0
    var failed = 0
  }

  /// The longest line to read, in bytes: more than any gateway accepts by default.
  static let maximumLineBytes = 1 << 20

  private let client: ConnectClient
  private let conversation: Conversation
  private let endpoint: ConnectEndpoint
  private let options: Options
  private let view: any ChatView
  private let questions: ChatQuestions
  /// The connection that was told last.
  private let connection = NIOLockedValueBox("")

  init(
    client: ConnectClient, user: UserName, peer: UserName, endpoint: ConnectEndpoint,
    options: Options
  ) {
    self.client = client
    self.conversation = client.conversation(with: peer)
    self.endpoint = endpoint
    self.options = options
    self.questions = ChatQuestions(user: user, conversation: self.conversation)
    self.view =
      options.isPipe ? PipeView(peer: peer) : PeopleView(user: user, peer: peer)
  }

  func run() async throws {
    self.view.start()
    self.view.note("connecting to \(self.endpoint)")
    // Before the client runs, so that nothing is acked that is not shown.
    let arrivals = self.client.arrivals
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
      self.observe(&group)
      let counts = await self.show(arrivals)
      group.cancelAll()
      var result: Result<Void, any Error> = .success(())
      for await ended in group {
        if case .failure = ended, case .success = result { result = ended ?? result }
      }
      if case .success = result { return self.outcome(counts) }
      return result
    }
    self.view.end()
    try result.get()
  }

  /// Result of a session that ended without an error.
  private func outcome(_ counts: Counts) -> Result<Void, any Error> {
    func problem(_ text: String) -> Result<Void, any Error> { .failure(Failure(.running, text)) }
    if self.view.isClosed { return .success(()) }
    if counts.rejected > 0 { return problem("messages that were refused: \(counts.rejected)") }
    if counts.failed > 0 { return problem("messages that were not delivered: \(counts.failed)") }
    let unanswered = self.conversation.entries.count { $0.state == .waiting }
    if unanswered > 0 {
      return problem("messages without an answer, perhaps not sent: \(unanswered)")
    }
    if let count = self.options.count, counts.received < count {
      return problem("ended after \(counts.received) of \(count) messages")
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
    let body = try MessageBody(json: ChatBody.encode(text))
    while true {
      do {
        let outgoing = try self.conversation.send(body)
        return self.view.sending(text, typed: line, outgoing)
      } catch ConnectSendError.full {
        await self.client.answered()
      }
    }
  }

  /// Returns when all messages are answered.
  private func finish() async {
    await self.client.answered()
    self.client.close()
  }

  // MARK: Output

  /// Shows what changes, until the client ends.
  private func observe(_ group: inout TaskGroup<Result<Void, any Error>?>) {
    let (states, problems) = (self.client.states, self.client.problems)
    group.addTask {
      for await state in states { self.show(state) }
      return nil
    }
    group.addTask {
      for await problem in problems { self.view.note(Self.text(of: problem)) }
      return nil
    }
    guard !self.options.isPipe else { return }
    let updates = self.conversation.updates
    group.addTask {
      for await snapshot in updates { self.view.show(snapshot) }
      return nil
    }
  }

  private func show(_ state: ConnectState) {
    switch state {
    case .online: self.showConnection()
    case .waiting(let retryIn, let end):
      let seconds =
        Double(retryIn.components.seconds) + Double(retryIn.components.attoseconds) / 1e18
      let tenths = Int((seconds * 10).rounded())
      self.view.note(
        "\(ChatBody.visible("\(end)")); reconnecting in \(tenths / 10).\(tenths % 10) s")
    case .idle, .connecting, .stopped: break
    }
  }

  /// Says once of each connection that there is one, before what it brings.
  private func showConnection() {
    guard let welcome = self.client.welcome else { return }
    self.connection.withLockedValue { connection in
      guard connection != welcome.connection else { return }
      connection = welcome.connection
      let gap = welcome.gap ? "; older messages were removed before this device had them" : ""
      self.view.note("online as \(welcome.user) via gateway \(welcome.gateway)\(gap)")
    }
  }

  private static func text(of problem: ConnectProblem) -> String {
    switch problem {
    case .store(let error): "\(error)"
    case .server(let code, let message):
      "the server did not understand: \(ChatBody.visible("\(message) (\(code))"))"
    }
  }

  /// Shows what arrives, until the client ends or there is enough.
  private func show(_ arrivals: ConnectArrivals) async -> Counts {
    await withTaskGroup(of: Void.self) { group in
      var counts = Counts()
      for await arrival in arrivals {
        self.showConnection()
        guard self.view.show(arrival) else {
          // Nobody reads the output any more. What was not shown is not acked.
          self.client.close()
          return counts
        }
        switch arrival {
        case .message(let entry):
          guard entry.from == self.conversation.name else { continue }
          counts.received += 1
          if !self.options.isPipe { self.conversation.markRead(upTo: entry) }
        case .rejected: if self.options.isPipe { counts.rejected += 1 }
        case .failed: if self.options.isPipe { counts.failed += 1 }
        }
        guard case .message = arrival, counts.received == self.options.count else { continue }
        await self.client.acknowledgeArrival()
        if !self.options.readsInput {
          // What came with it is neither shown nor acked, and comes again another time.
          self.client.close()
          return counts
        }
        group.addTask { await self.finish() }
      }
      return counts
    }
  }
}

/// The output of a chat.
protocol ChatView: Sendable {
  func start()
  /// `text` is being sent; `typed` is the line as it was read.
  func sending(_ text: String, typed: String, _ outgoing: Outgoing)
  /// A line was read that is not a message.
  func typedNothing(_ typed: String)
  /// Lines that were asked for.
  func show(_ lines: [String])
  /// A line about the connection.
  func note(_ text: String)
  /// - Returns: False when nobody reads the output any more.
  func show(_ arrival: ConnectArrival) -> Bool
  /// The conversation with the peer has changed.
  func show(_ snapshot: Conversation.Snapshot)
  func end()
  /// Whether nobody reads the output any more.
  var isClosed: Bool { get }
}
