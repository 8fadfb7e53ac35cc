import ConnectProtocol
import HTTPServer
import Inspection
import Logging
import MessageBus
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import Redis

final class BackendServing: HTTPServing {
  /// Clients of Redis, and the state of the bus.
  struct Bus: Sendable {
    /// One on each event loop of the server.
    let publishers: [MessagePublisher]
    /// For everything about users, so that pages of mailboxes delay no message.
    let users: any RedisClient
    /// For erasures: the same as `users` if these wait for no replicas.
    let eraser: any RedisClient
    let backlog: Backlog
  }

  private let configuration: BackendAPIConfiguration
  private let limits: HTTPServingLimits
  private let bus: Bus
  private let publishers: [ObjectIdentifier: MessagePublisher]
  private let turns = Turns(
    BackendAPILimits.concurrentUsers, waiting: BackendAPILimits.waitingUsers)
  /// Separate, since erasures take long and would delay others.
  private let erasures = Turns(
    BackendAPILimits.concurrentErasures, waiting: BackendAPILimits.waitingUsers)
  private let logger: Logger
  private let lastLogged = NIOLockedValueBox(NIODeadline.uptimeNanoseconds(0))

  init(
    configuration: BackendAPIConfiguration, limits: HTTPServingLimits, bus: Bus, logger: Logger
  ) {
    self.configuration = configuration
    self.limits = limits
    self.bus = bus
    self.publishers = Dictionary(
      uniqueKeysWithValues: bus.publishers.map { (ObjectIdentifier($0.client.eventLoop), $0) })
    self.logger = logger
  }

  // MARK: By the head alone

  func refusal(of head: HTTPRequestHead) -> PlainHTTPResponse? {
    do throws(BackendRefusal) {
      if !Route.isPublic(head.uri) { try self.checkToken(head.headers) }
      guard head.isHTTP11 || Route.isHealth(head.uri) else {
        throw BackendRefusal(.malformed, HTTPRequestHead.isHTTP11Rule)
      }
      let route = try Route(head)
      if route != .health { try Self.checkCoding(head.headers) }
      if route == .sendMessage { try Self.checkContentType(head.headers) }
      return nil
    } catch {
      return error.response(label: (try? Route(head))?.label ?? Route.otherLabel)
    }
  }

  private func checkToken(_ headers: HTTPHeaders) throws(BackendRefusal) {
    guard case .token(let token) = BearerCredentials(headers) else {
      throw BackendRefusal(
        .unauthorized, "a service token is needed: Authorization: Bearer <token>")
    }
    guard self.configuration.tokens.accepts(token.utf8) else {
      throw BackendRefusal(.unauthorized, "the service token is none of those that are taken")
    }
  }

  /// Bodies are not decompressed: a small compressed body may be huge.
  private static func checkCoding(_ headers: HTTPHeaders) throws(BackendRefusal) {
    let codings = headers[canonicalForm: "content-encoding"]
    guard codings.allSatisfy({ $0.lowercased() == "identity" }) else {
      throw BackendRefusal(.unsupportedMediaType, "the body must have no Content-Encoding")
    }
    let transfer = headers[canonicalForm: "transfer-encoding"]
    guard transfer.allSatisfy({ $0.lowercased() == "chunked" }) else {
      throw BackendRefusal(.malformed, "the only Transfer-Encoding that is read is chunked")
    }
  }

  /// JSON is what is read, whatever it is called; but a form, say, is a client's mistake that it
  /// should be told of by its name. None at all is not one.
  private static func checkContentType(_ headers: HTTPHeaders) throws(BackendRefusal) {
    let fields = headers["content-type"]
    guard !fields.isEmpty else { return }
    guard fields.count == 1, let type = MediaType(fields[0]), type.name == "application/json",
      (type.parameters["charset"] ?? "utf-8").lowercased() == "utf-8"
    else {
      throw BackendRefusal(.unsupportedMediaType, "the body must be application/json, in UTF-8")
    }
  }

  // MARK: Answers

  func answer(
    to head: HTTPRequestHead, body: ByteBuffer, on eventLoop: any EventLoop
  ) -> EventLoopFuture<PlainHTTPResponse> {
    let route: Route
    do throws(BackendRefusal) { route = try Route(head) } catch {
      return eventLoop.makeSucceededFuture(error.response(label: Route.otherLabel))
    }
    switch route {
    case .health:
      var response = PlainHTTPResponse.alive
      response.label = route.label
      return eventLoop.makeSucceededFuture(response)
    case .describe:
      return eventLoop.makeSucceededFuture(Self.description)
    case .describeFrames:
      return eventLoop.makeSucceededFuture(Self.frames)
    case .sendMessage:
      return self.send(body, on: eventLoop)
    case .showUser(let user):
      return self.aboutUser(route, self.turns, on: eventLoop) { () async throws(BackendRefusal) in
        try await self.show(user)
      }
    case .eraseUser(let user):
      return self.aboutUser(route, self.erasures, on: eventLoop) {
        () async throws(BackendRefusal) in
        try await self.erase(user)
      }
    case .disconnectUser(let user, let device):
      return self.aboutUser(route, self.turns, on: eventLoop) { () async throws(BackendRefusal) in
        try await self.disconnect(user, device)
      }
    }
  }

  func answer(to fault: HTTPFault) -> PlainHTTPResponse {
    BackendRefusal(fault, self.limits).response(label: Route.otherLabel)
  }

  func answered(_ response: PlainHTTPResponse, after time: TimeAmount) {
    self.configuration.onAnswer(
      BackendAPIConfiguration.Answer(
        route: response.label, status: Int(response.status.code), nanoseconds: time.nanoseconds))
  }

  private static let description = document(PackageResources.openapi_json, of: .describe)

  private static let frames = document(PackageResources.asyncapi_json, of: .describeFrames)

  private static func document(_ bytes: [UInt8], of route: Route) -> PlainHTTPResponse {
    var response = PlainHTTPResponse(
      status: .ok, contentType: "application/json", body: ByteBuffer(bytes: bytes))
    response.label = route.label
    return response
  }

  // MARK: Messages

  private func send(
    _ body: ByteBuffer, on eventLoop: any EventLoop
  ) -> EventLoopFuture<PlainHTTPResponse> {
    let label = Route.sendMessage.label
    let message: BackendMessage
    do throws(FrameError) {
      message = try body.withUnsafeReadableBytes { (raw) throws(FrameError) in
        try BackendMessage.scan(raw)
      }
    } catch {
      return eventLoop.makeSucceededFuture(
        BackendRefusal(error.backendCode, error.message).response(label: label))
    }
    guard !self.bus.backlog.isFull(for: message.to),
      !message.copy || !self.bus.backlog.isFull(for: message.from)
    else {
      return eventLoop.makeSucceededFuture(
        BackendRefusal(.overloaded, "messages come faster than they can be processed")
          .response(label: label))
    }
    guard let publisher = self.publishers[ObjectIdentifier(eventLoop)] else {
      preconditionFailure("a connection on an event loop that is not the server's")
    }
    return publisher.publish(message, in: body).map { offset in
      .json(.accepted, label: label) { $0.writeTaken(id: message.id, offset: offset) }
    }.recover { error in
      self.refusal(
        of: error,
        unavailable: "the message might not be stored; send it again with the same id"
      ).response(label: label)
    }
  }

  // MARK: Users

  private func aboutUser(
    _ route: Route, _ turns: Turns, on eventLoop: any EventLoop,
    _ body: @escaping @Sendable () async throws(BackendRefusal) -> PlainHTTPResponse
  ) -> EventLoopFuture<PlainHTTPResponse> {
    // Nobody waits any longer for the answer.
    let deadline = NIODeadline.now() + .milliseconds(self.limits.answerMilliseconds)
    return eventLoop.makeFutureWithTask {
      do throws(Turns.Refusal) {
        return try await turns.take(until: deadline) {
          do throws(BackendRefusal) {
            var response = try await body()
            response.label = route.label
            return response
          } catch {
            return error.response(label: route.label)
          }
        }
      } catch {
        return self.refusal(of: error).response(label: route.label)
      }
    }
  }

  private func refusal(of error: Turns.Refusal) -> BackendRefusal {
    switch error {
    case .full: BackendRefusal(.overloaded, "too many requests about users wait already")
    case .late: BackendRefusal(.unanswered, self.limits)
    }
  }

  private func show(_ user: UserName) async throws(BackendRefusal) -> PlainHTTPResponse {
    let inspector = Inspector(keys: self.configuration.keys, client: self.bus.users)
    let report = try await self.asking { () async throws(RedisError) in
      try await inspector.user(user, withExpiry: false)
    }
    guard !report.isUnknown else {
      throw BackendRefusal(.unknownUser, "nothing is known of this user")
    }
    var buffer = ByteBuffer()
    do { try UserView(report).write(to: &buffer) } catch {
      throw BackendRefusal(.failed, "the view of the user could not be written")
    }
    return .json(.ok, label: "") { $0.writeBuffer(&buffer) }
  }

  private func erase(_ user: UserName) async throws(BackendRefusal) -> PlainHTTPResponse {
    let eraser = UserEraser(
      keys: self.configuration.keys, client: self.bus.eraser,
      durability: self.configuration.durability,
      retentionSeconds: self.configuration.retentionSeconds)
    let erasure = try await self.asking { () async throws(RedisError) in
      try await eraser.erase(user)
    }
    self.logger.notice(
      "api.user_erased",
      metadata: [
        "entries": "\(erasure.entries)", "connections": "\(erasure.connections)",
      ])
    return PlainHTTPResponse(status: .noContent, body: ByteBuffer())
  }

  private func disconnect(
    _ user: UserName, _ device: DeviceName?
  ) async throws(BackendRefusal) -> PlainHTTPResponse {
    let connections = UserConnections(keys: self.configuration.keys, client: self.bus.users)
    let count = try await self.asking { () async throws(RedisError) in
      try await connections.close(user, device: device)
    }
    return .json(.accepted, label: "") { $0.writeDisconnected(connections: count) }
  }

  // MARK: Errors

  private func asking<Value>(
    _ body: () async throws(RedisError) -> Value
  ) async throws(BackendRefusal) -> Value {
    do throws(RedisError) { return try await body() } catch {
      throw self.refusal(
        of: error, unavailable: "Redis cannot be reached, or did not answer; ask again")
    }
  }

  /// Logs at most once a second why backends are told that something is unavailable or failed.
  private func refusal(of error: any Error, unavailable what: String) -> BackendRefusal {
    let refusal =
      (error as? RedisError).map { BackendRefusal($0, unavailable: what) }
      ?? BackendRefusal(.failed, "the log of messaging says why")
    let isDue = self.lastLogged.withLockedValue { last in
      let now = NIODeadline.now()
      guard now - last >= .seconds(1) else { return false }
      last = now
      return true
    }
    if isDue {
      let isFailure = refusal.code == .failed
      self.logger.log(
        level: isFailure ? .error : .warning, isFailure ? "api.failed" : "api.unavailable",
        metadata: ["error": "\(error)"])
    }
    return refusal
  }
}
